"""The settings about users: guests, accounts of an application, and accounts made here."""

from server.settings.readers import export_token, flag, mail_address, mail_server, one_of, public_url, roles, whole
from server.settings.setting import Setting

# RFC 7518 section 3.2: a key for HS256 has at least 256 bits, which takes at least 32 characters of one byte.
SECRET_CHARS = 32
TOKEN_SECRETS = ("JWT_SECRET", "JWT_SECRET_PREVIOUS", "SERVER_SECRET")
CHAT_ROLES = ("player", "participant", "user", "organizer", "admin")

OF_USERS: tuple[Setting, ...] = (
    Setting(
        "GUESTS",
        "on or off",
        True,
        "whether users without an account may connect",
        flag,
        live=True,
        shared=True,
    ),
    Setting(
        "GUEST_ROLE",
        "member, readonly or moderator",
        "member",
        "role of a guest in a room that has not given them one",
        one_of("member", "readonly", "moderator"),
        live=True,
        shared=True,
    ),
    Setting(
        "JWT_SECRET",
        "at least 32 characters",
        "",
        "secret with which your application signs account tokens; unset: none are accepted",
        str,
        secret=True,
    ),
    Setting(
        "JWT_SECRET_PREVIOUS",
        "at least 32 characters",
        "",
        "the JWT_SECRET before a change: account tokens that it signed are still accepted",
        str,
        secret=True,
    ),
    Setting(
        "SERVER_SECRET",
        "at least 32 characters",
        "",
        "secret of the servers, for tokens of guests and accounts made here; unset: made once, kept in the database",
        str,
        secret=True,
    ),
    Setting(
        "EXPORT_TOKEN",
        "at least 32 printable characters of ASCII, without spaces",
        "",
        "with memory storage, the token for which the server gives out everything: see export; unset: it never does",
        export_token,
        live=True,
        secret=True,
    ),
    Setting(
        "JWT_SECRET_WEAK",
        "refuse or allow",
        "refuse",
        "whether to accept shorter secrets of tokens, which can be brute-forced",
        one_of("refuse", "allow"),
    ),
    Setting(
        "JWT_AUDIENCE",
        "text",
        "",
        "required value of aud in an account token; unset: aud is ignored",
        str,
        shared=True,
    ),
    Setting(
        "JWT_ISSUER",
        "text",
        "",
        "required value of iss in an account token; unset: iss is ignored",
        str,
        shared=True,
    ),
    Setting(
        "CHAT_ROLES",
        "roles separated by spaces or commas",
        CHAT_ROLES,
        "account roles that are admitted, as named in the tokens",
        roles,
        live=True,
        shared=True,
    ),
    Setting(
        "REGISTRATION",
        "open, invite or closed",
        "open",
        "whether users may make accounts here: open to all, by invite link only, or not at all",
        one_of("open", "invite", "closed"),
        live=True,
        shared=True,
    ),
    Setting(
        "PUBLIC_URL",
        "http:// or https://, a host, and a path if the server is below one",
        "",
        "address at which browsers reach the server, for links and cookies; required for mail and invite links",
        public_url,
        shared=True,
    ),
    Setting(
        "SMTP_URL",
        "smtp://user:password@host:587 or smtps://user:password@host:465",
        None,
        "server that sends mail, by STARTTLS with smtp:// unless it ends with ?starttls=no; unset: no mail is sent",
        mail_server,
        secret=True,
    ),
    Setting(
        "MAIL_FROM",
        "an e-mail address",
        "",
        "sender of the mail, with SMTP_URL",
        mail_address,
    ),
    Setting(
        "AUDIT_DAYS",
        "a whole number of days, 0 for no limit",
        365,
        "how long entries of the audit log are kept, and reports once they were handled",
        whole(0, 36_500),
        live=True,
        shared=True,
    ),
)
