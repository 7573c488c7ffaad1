"""The words of the contract as frozen typed records: messages, commands in, events out, errors, limits. No I/O."""
