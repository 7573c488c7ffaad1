/* Included by wsload.c: templates, sending, receiving. */
/* ---------- templates ---------- */
static size_t fill(char *dst, size_t cap, const char *t, int i, const char *payload,
                   uint32_t n, uint64_t ts) {
    size_t len = 0;
    while (*t && len + 1 < cap) {
        const char *key[] = {"{room}", "{user}", "{i}", "{var}", "{n}", "{ts}", "{payload}"};
        int k = 7, w = 0;
        if (*t == '{') for (k = 0; k < 7 && strncmp(t, key[k], strlen(key[k])); k++) ;
        if (k == 7) { dst[len++] = *t++; continue; }
        char *d = dst + len; size_t room_left = cap - len;
        switch (k) {
        case 0: w = snprintf(d, room_left, "room%d", i % rooms); break;
        case 1: w = snprintf(d, room_left, "user%d", i); break;
        case 2: w = snprintf(d, room_left, "%d", i); break;
        case 3: w = snprintf(d, room_left, "%s", n_vars ? vars[i % n_vars] : ""); break;
        case 4: w = snprintf(d, room_left, "%u", n); break;
        case 5: w = snprintf(d, room_left, "%llu", (unsigned long long)ts); break;
        case 6: w = snprintf(d, room_left, "%s", payload ? payload : ""); break;
        }
        len += w; t += strlen(key[k]);
    }
    dst[len < cap ? len : cap - 1] = 0;
    return len;
}

/* The server of client i: member k of each room is at server k, counted round and round. */
static const struct url *url_of(int i) { return &urls[i / rooms % n_urls]; }

/* ---------- sending ---------- */
static void kill_conn(struct conn *c) {
    if (c->state == DEAD) return;
    if (c->state == OPEN) { n_open--; room_open[c->room]--; }
    else if (c->state != IDLE) handshakes--;
    close(c->fd); c->state = DEAD; n_dead++;
}
static void want(struct conn *c, uint32_t events) {
    struct epoll_event e = {.events = events, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_MOD, c->fd, &e);
}
static void send_raw(struct conn *c, const char *p, size_t n) {
    if (!c->out_len) {
        ssize_t w = send(c->fd, p, n, MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN) { kill_conn(c); return; }
        if (w > 0) { p += w; n -= w; }
        if (!n) return;
        want(c, EPOLLIN | EPOLLOUT);
    }
    c->out = realloc(c->out, c->out_len + n);
    memcpy(c->out + c->out_len, p, n); c->out_len += n;
}
static void send_frame(struct conn *c, int opcode, const char *p, size_t n) {
    static char b[(1 << 20) + 16]; static uint32_t x = 2463534242u; size_t h = 2;
    if (c->state == DEAD || n > 1 << 20) return;
    x ^= x << 13; x ^= x >> 17; x ^= x << 5;
    b[0] = (char)(0x80 | opcode);
    if (n < 126) b[1] = (char)(0x80 | n);
    else if (n < 65536) { b[1] = (char)(0x80 | 126); b[2] = n >> 8; b[3] = n; h = 4; }
    else { b[1] = (char)(0x80 | 127); for (int k = 0; k < 8; k++) b[2 + k] = (uint64_t)n >> (56 - 8 * k); h = 10; }
    memcpy(b + h, &x, 4);
    const char *m = b + h; h += 4;
    for (size_t k = 0; k < n; k++) b[h + k] = p[k] ^ m[k & 3];
    send_raw(c, b, h + n);
}
static void send_template(struct conn *c, const char *t) {
    static char b[1 << 16];
    send_frame(c, 1, b, fill(b, sizeof b, t, c - conns, NULL, 0, now_ns()));
}
static void publish(int p, uint64_t ts) {
    static char text[(1 << 20) + 4096], payload[(1 << 20) + 1];
    struct pub *u = &pubs[p]; struct conn *c = &conns[u->conn];
    if (c->state != OPEN) return;
    uint32_t n = ++u->seq;
    int k = snprintf(payload, MARK_LEN + 1, "~T%016llx.%06x.%09x~", (unsigned long long)ts, p, n);
    memcpy(payload + k, pad, size - k); payload[size] = 0;
    int members = room_open[c->room] - !echo;
    u->left[n % RING] = members; u->sent_at[n % RING] = ts;
    sent++; expected += members; if (measuring) m_sent++;
    if (u->seq - u->done == 1) u->last_ack = now_ns();
    send_frame(c, 1, text, fill(text, sizeof text, pub_tmpl, u->conn, payload, n, ts));
}
static void acknowledged(struct pub *u) {
    u->done++; u->last_ack = now_ns();
    if (publishing && window && u->seq - u->done < (uint32_t)window) publish(u - pubs, now_ns());
}

/* ---------- receiving ---------- */
static void opened(struct conn *c) { c->state = OPEN; n_open++; room_open[c->room]++; handshakes--; }

static uint64_t hex(const char *p, int n) {
    uint64_t v = 0;
    while (n--) { int ch = *p++; v = v << 4 | (ch <= '9' ? ch - '0' : (ch | 32) - 'a' + 10); }
    return v;
}
static int contains(const char *p, size_t n, const char *s) { return memmem(p, n, s, strlen(s)) != NULL; }

static void on_chat(struct conn *c, const char *m, uint64_t t) {
    uint64_t ts = hex(m + 2, 16); uint32_t p = hex(m + 19, 6), seq = hex(m + 26, 9);
    if (p >= (uint32_t)n_pubs) { protocol_errors++; return; }
    struct pub *u = &pubs[p];
    received++;
    if (measuring) { m_received++; hist_add(&latency, t > ts ? t - ts : 0); }
    if (conns[u->conn].room != c->room) { misrouted++; return; }
    uint32_t *last = &c->last[p / rooms];
    if (seq <= *last) order_bad++;                 /* one that is missing is refused, or lost */
    *last = seq; c->seen++;
    c->order_hash = (c->order_hash ^ ((uint64_t)p << 32 | seq)) * 1099511628211ull;
    int i = c - conns;
    if (ack_mode == ACK_ALL) { if (u->left[seq % RING] && !--u->left[seq % RING]) acknowledged(u); }
    else if (i == (ack_mode == ACK_SELF ? u->conn : (u->conn + rooms < clients ? u->conn + rooms : c->room))) acknowledged(u);
}
/* An ack that names message {n} of this client as "id":"{n}", as often as there are such names in it. */
static void on_ack(struct conn *c, const char *p, size_t n, uint64_t t) {
    const char *end = p + n, *m; struct pub *u = &pubs[c->pub];
    while ((m = memmem(p, end - p, "\"id\":\"", 6))) {
        uint32_t k = 0;
        for (p = m + 6; p < end && *p >= '0' && *p <= '9'; p++) k = k * 10 + (*p - '0');
        if (!k || k > u->seq || u->seq - k >= RING) continue;
        acks++; if (measuring && t > u->sent_at[k % RING]) hist_add(&ack_lag, t - u->sent_at[k % RING]);
    }
}
/* Like on_ack, of messages that are not delivered. */
static void on_refusal(struct conn *c, const char *p, size_t n) {
    const char *m = memmem(p, n, "\"id\":\"", 6); struct pub *u = &pubs[c->pub];
    uint32_t k = m ? strtoul(m + 6, NULL, 10) : 0;
    if (!k || k > u->seq || u->seq - k >= RING) return;
    refused++; expected -= u->left[k % RING]; u->left[k % RING] = 0;
}
static void joined(struct conn *c) {
    for (int k = 0; k < n_joins; k++) send_template(c, joins[k]);
    if (!wait_join && c->state == JOINING) opened(c);
}
static void on_message(struct conn *c, const char *p, size_t n, uint64_t t) {
    const char *end = p + n, *m = p, *at = p; int found = 0;
    while (end - at >= MARK_LEN && (m = memmem(at, end - at, "~T", 2)) && end - m >= MARK_LEN) {
        at = m + 2;                            /* servers may batch several messages in a frame */
        if (m[MARK_LEN - 1] == '~') { found++; at = m + MARK_LEN; on_chat(c, m, t); }
    }
    if (measuring && found) m_bytes += n;
    if (found) return;
    other_frames++;
    if (socketio) {
        if (n == 1 && *p == '2') { send_frame(c, 1, "3", 1); return; }
        if (*p == '0') { send_frame(c, 1, "40", 2); return; }
        if (n >= 2 && !memcmp(p, "40", 2)) { joined(c); return; }
    }
    if (ack_mark && c->pub >= 0 && contains(p, n, ack_mark)) on_ack(c, p, n, t);
    if (refusal_mark && c->pub >= 0 && contains(p, n, refusal_mark)) on_refusal(c, p, n);
    if (c->state == JOINING && wait_join && contains(p, n, wait_join)) opened(c);
}
/* Consumes whole frames of p[0..n); returns the bytes used, or -1 when the connection ended. */
static ssize_t on_frames(struct conn *c, char *p, size_t n, uint64_t t) {
    size_t used = 0;
    while (c->state != DEAD && n - used >= 2) {
        uint8_t *b = (uint8_t *)p + used; uint64_t len = b[1] & 127, h = 2; int op = b[0] & 15;
        if ((b[0] & 0x70) || (b[1] & 0x80)) { protocol_errors++; kill_conn(c); return -1; }
        if (len == 126) { h = 4; if (n - used < h) break; len = b[2] << 8 | b[3]; }
        else if (len == 127) { h = 10; if (n - used < h) break; len = 0; for (int k = 2; k < 10; k++) len = len << 8 | b[k]; }
        if (n - used - h < len) break;
        char *q = (char *)b + h; used += h + len;
        if (op == 8) { send_frame(c, 8, q, len); kill_conn(c); return -1; }
        if (op == 9) { send_frame(c, 10, q, len); continue; }
        if (op == 10) continue;
        if (op == 0 || !(b[0] & 0x80)) {
            c->msg = realloc(c->msg, c->msg_len + len + 1);
            memcpy(c->msg + c->msg_len, q, len); c->msg_len += len;
            if (b[0] & 0x80) { size_t l = c->msg_len; c->msg_len = 0; on_message(c, c->msg, l, t); }
        } else on_message(c, q, len, t);
    }
    return c->state == DEAD ? -1 : (ssize_t)used;
}
static void on_readable(struct conn *c) {
    size_t have = c->in_len;
    if (have) { memcpy(rbuf, c->in, have); free(c->in); c->in = NULL; c->in_len = 0; }
    ssize_t r = recv(c->fd, rbuf + have, RBUF - have, 0);
    if (r < 0 && errno == EAGAIN) r = 0;
    else if (r <= 0) { kill_conn(c); return; }
    size_t n = have + r, used = 0;
    if (c->state == UPGRADING) {
        char *end = memmem(rbuf, n, "\r\n\r\n", 4);
        if (end) {
            if (n < 12 || memcmp(rbuf, "HTTP/1.1 101", 12)) {
                if (!protocol_errors++) fprintf(stderr, "wsload: refused: %.60s\n", rbuf);
                kill_conn(c); return;
            }
            used = end + 4 - rbuf; c->state = JOINING;
            if (!socketio) joined(c);
        }
    }
    if (c->state >= JOINING) {
        ssize_t u = on_frames(c, rbuf + used, n - used, now_ns());
        if (u < 0) return;
        used += u;
    }
    if (n > used) { c->in = malloc(n - used); memcpy(c->in, rbuf + used, n - used); c->in_len = n - used; }
}
static void on_writable(struct conn *c) {
    if (c->state == CONNECTING) {
        static char b[16384], h[4096]; int err = 0; socklen_t l = sizeof err;
        getsockopt(c->fd, SOL_SOCKET, SO_ERROR, &err, &l);
        if (err) { kill_conn(c); return; }
        int i = c - conns; char path[4096]; const struct url *to = url_of(i);
        fill(path, sizeof path, to->path, i, NULL, 0, 0);
        int n = snprintf(b, sizeof b, "GET %s HTTP/1.1\r\nHost: %s:%d\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
                         "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n", path, to->host, to->port);
        for (int k = 0; k < n_headers; k++) { fill(h, sizeof h, headers[k], i, NULL, 0, 0); n += snprintf(b + n, sizeof b - n, "%s\r\n", h); }
        n += snprintf(b + n, sizeof b - n, "\r\n");
        c->state = UPGRADING; want(c, EPOLLIN); send_raw(c, b, n);
    } else if (c->out_len) {
        ssize_t w = send(c->fd, c->out, c->out_len, MSG_NOSIGNAL);
        if (w < 0 && errno != EAGAIN) { kill_conn(c); return; }
        if (w > 0) { memmove(c->out, c->out + w, c->out_len - w); c->out_len -= w; }
        if (!c->out_len) want(c, EPOLLIN);
    }
}
static void poll_once(int64_t timeout_ns) {
    struct epoll_event ev[512]; if (timeout_ns < 0 || spin) timeout_ns = 0;
    struct timespec ts = {timeout_ns / 1000000000, timeout_ns % 1000000000};
    int n = epoll_pwait2(ep, ev, 512, &ts, NULL);
    for (int k = 0; k < n; k++) {
        struct conn *c = ev[k].data.ptr;
        if (c->state != DEAD && (ev[k].events & EPOLLOUT)) on_writable(c);
        if (c->state != DEAD && (ev[k].events & (EPOLLIN | EPOLLHUP | EPOLLERR))) on_readable(c);
    }
}
