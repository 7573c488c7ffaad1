from chat.chat import Chat
from tests.support.chatting import Person
from tests.support.virtual import passes

async def test_x(chat: Chat) -> None:
    ann = Person(chat, "ann", "general")
    await passes()
    ann.say("hi", "1")
    await passes()
    print(ann.frames)
    await passes(3600)
    ann.disconnect()
