/**
 * The shapes of what the page knows. Types alone: this file holds no code.
 *
 * @typedef {{id: string, name: string}} User
 * @typedef {"readonly"|"member"|"moderator"|"owner"|"admin"} Role
 * @typedef {{seq: number, sender: string, content?: string}} ReplyHead the beginning of the message that is answered;
 *   without `content` if that was deleted
 * @typedef {{room: string, seq: number, version: number, sender: string, sender_id: string, content: string,
 *   timestamp: string, id?: string, edited_at?: string, deleted_at?: string, alias_of?: string, reply_to?: ReplyHead,
 *   mentions?: string[], reactions?: Record<string, string[]>, pinned_at?: string, pinned_by?: string}} Message
 *   `alias_of`: the account that the guest who wrote it has become; `mentions`: names, normalized by the server;
 *   `reactions`: the ids of those who reacted, by emoji
 * @typedef {{code: string, message: string, retryable: boolean, id?: string, room?: string, field?: string,
 *   retry_after?: number}} Refusal
 * @typedef {{max_frame_bytes: number, max_content_chars: number, max_rooms: number, history_limit: number,
 *   name_chars: number, edit_window: number}} Limits
 * @typedef {{kind: "ephemeral"|"public"|"private"|"direct", title?: string, topic?: string, slow_mode?: number,
 *   password?: boolean, guests?: "talk"|"read"|"no", retention_days?: number}} Info
 * @typedef {{room: string, info: Info, by: User, at: string}} Invitation
 * @typedef {{id: string, name: string, kind?: string, role?: Role, online?: boolean, read?: number, seen_at?: string,
 *   muted_until?: string, banned_until?: string, reason?: string, invited_at?: string, invited_by?: User}} Member
 * @typedef {{id: string, room: string, seq: number, reporter: User, reason: string, sender: User, content: string, posted_at: string,
 *   created_at: string, state: "open"|"resolved"|"dismissed", handler?: string, note?: string, handled_at?: string}} Report
 *   with the message as it was
 * @typedef {{id: string, maker: string, until: string, uses: number, uses_left: number, room?: string, token?: string,
 *   url?: string}} Invite an invite link; `token` and `url` only when it is made
 * @typedef {{key: string, text: string | (() => string), error: boolean, view: string, action?: {label: string, run: () => void}}}
 *   Toast a short notice below the log; one with an action stays as long as that can be done. `text`: a function if it changes;
 *   `view`: what was in front when it was made
 * @typedef {{key: string, by: User, content: string, at: string}} Announcement
 * @typedef {{name: "idle"|"connecting"|"open"|"waiting"|"stopped", until?: number, code?: number, reason?: string}} Connection
 *   `until`: epoch milliseconds of the next try while waiting
 * @typedef {"all"|"mentions"|"none"} Level what a room notifies of
 * @typedef {{until: number, reason: string}} Mute `until`: epoch milliseconds, Infinity for no end
 * @typedef {{seq: number, top: number}} Place the message at the top of the log, and its distance from there in pixels
 * @typedef {{room: string, messages: Message[], cursor: string, busy: boolean, error: string, q: string,
 *   at: string}} Found what a
 *   search has found; `room`: "" for all rooms; `at`: the hit that was opened last, as room/seq
 * @typedef {{id: string, room: string, author: string, at: number, asked?: boolean}} Withdrawn what its author has taken back
 *   although it may be on its way; `asked`: its deletion is
 * @typedef {{id: string, room: string, content: string, author: User, at: number, tried: boolean,
 *   state: "queued"|"sent"|"failed", seq: number|null, reason: string, attempts: number, retryAt: number,
 *   replyTo: ReplyHead | null, closed: boolean, shownAt?: number}} Unsent
 *   a message of the outbox. `closed`: it was written for a room that not everybody can read; `tried`: it may have reached the server; `seq`: its seq if it was broadcast and is not
 *   acked; `at`: when it was written, `retryAt`: not to be sent again before, `shownAt`: when it was broadcast, all in
 *   epoch milliseconds; `reason`: a sentence, why it waits or was refused
 * @typedef {{room: string, seq: number, id?: string, text: string, saving: boolean, error: string}} Edit a change of a message
 *   that is not stored; `id`: of one that is not sent, and so has no seq; `saving`: it is on its way; `error`: a sentence, why it was refused
 */

export {};
