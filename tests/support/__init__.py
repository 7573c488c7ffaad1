"""What several tests share: real servers, real browsers, and the rule that they die with pytest."""
