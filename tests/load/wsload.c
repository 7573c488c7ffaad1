/*
 * wsload - a neutral load generator for JSON-over-WebSocket chat servers.
 *
 * One thread, epoll, no dependencies; Linux.   cc -O2 -Wall -Wextra -o wsload wsload.c
 *
 *   wsload --url 'ws://127.0.0.1:8080/chat?r={room}&u={user}' --clients 100 --rooms 1 \
 *          --publishers 1 --pub '{"type":"message","content":"{payload}"}' --size 80 \
 *          --window 16 --warmup 1 --seconds 5 --pid $(cat server.pid)
 *
 * Connections
 *   --url URL          ws://HOST:PORT/PATH, templated (HOST must be an IPv4 address), repeatable: the
 *                      members of each room are spread over the servers, one after the other
 *   --header 'K: V'    extra request header, templated, repeatable
 *   --join TEXT        text frame sent after the upgrade, templated, repeatable
 *   --wait-join MARK   a client is ready only when a frame containing MARK arrived
 *   --socketio         speak Engine.IO v4 / Socket.IO (text framing, ping/pong)
 *   --clients N        connections; client i is in room i % R
 *   --rooms R
 *   --inflight K       handshakes under way at once (default 64)
 *   --vars FILE        line i of FILE is {var} of client i (a token, for example)
 * Load
 *   --publishers P     publishers PER ROOM (the first P members of each room)
 *   --pub TEXT         published frame, templated; must contain {payload}
 *   --size B           bytes of {payload} (>= 36; default 80)
 *   --window W         closed loop: at most W unacknowledged messages per publisher
 *   --ack self|next|all   a message is acknowledged when the publisher itself /
 *                      the next member of its room / every member has seen it
 *   --rate M           open loop instead: M messages/s in total, evenly spaced, round
 *                      robin over publishers; latency counts from the DUE time
 *   --acks MARK        a frame with MARK tells its publisher that the messages {n} which it names
 *                      as "id":"{n}" are stored: reports the time from the due time to that
 *   --refusals MARK    a frame with MARK tells its publisher that the message {n} which it names so is
 *                      refused: it counts as that, and not as lost
 *   --no-echo          the server does not send a message back to its publisher
 *   --warmup S --seconds S --drain S
 *   --idle             no publishing: connect, hold --seconds, report memory
 *   --spin             never sleep in epoll_wait (latency runs on a core of its own)
 *   --pid PID          server process (its children are included), repeatable
 *   --marks            print "measuring" and "measured" to stderr as --seconds begin and end
 * Templates: {room} {user} {i} {var}, and in --pub also {n} {ts} {payload}.
 *
 * The payload carries "~T<ns>.<publisher>.<seq>~".  Only marked frames count (a frame
 * may hold several messages).
 * Output: one JSON object.  server_* are the processes of --pid; cpu_busy is per processor;
 * when the server's processor is much busier than server_busy, others disturbed the run: repeat
 * it.  refused: messages, of which no delivery is expected;  lost = expected - received over the
 * whole run (after drain, which ends when nothing is missing); unacked: sent - acked - refused;
 * order_violations: a publisher's sequence did not increase at some member;
 * divergent_rooms: members of one room saw its messages in different orders;
 * misrouted: a message seen outside its room.  Exit status 1 when any of these is not 0.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/tcp.h>
#include <stdarg.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

#define MARK_LEN 36            /* ~T + 16 + . + 6 + . + 9 + ~ */
#define RING 1024              /* tracked outstanding messages per publisher */
#define RBUF (1 << 20)
#define STALL_NS 2000000000ull /* a window slot not acknowledged by then is given up */
#define MAX_URLS 16

enum state { IDLE, CONNECTING, UPGRADING, JOINING, OPEN, DEAD };
enum ack { ACK_SELF, ACK_NEXT, ACK_ALL };

struct conn {
    int fd, room, pub;              /* pub: index into pubs, or -1 */
    enum state state;
    char *in; size_t in_len;        /* bytes of an incomplete frame */
    char *msg; size_t msg_len;      /* fragments of an incomplete message */
    char *out; size_t out_len;      /* bytes the kernel did not take yet */
    uint32_t *last;                 /* last sequence seen, per publisher of the room */
    uint64_t order_hash, seen;
};
struct pub {
    int conn;
    uint32_t seq;                   /* messages sent */
    uint32_t done;                  /* messages acknowledged */
    uint64_t last_ack;
    uint16_t left[RING];            /* --ack all: members that have not seen message n */
    uint64_t sent_at[RING];         /* --acks: when message n was due */
};

static struct url { char *host, *path, *url; int port; } urls[MAX_URLS];
static char *headers[32], *joins[32], *wait_join, *ack_mark, *refusal_mark, *pub_tmpl, **vars;
static int n_urls, n_headers, n_joins, n_vars, pids[256], n_pids;
static int clients = 1, rooms = 1, inflight = 64, per_room, size = 80, window, idle, spin, marks, socketio;
static int echo = 1;
static enum ack ack_mode = ACK_SELF;
static double rate, warmup = 1, seconds = 5, drain = 10;

static struct conn *conns;
static struct pub *pubs;
static int n_pubs, ep, n_open, n_dead, handshakes, *room_open;
static char rbuf[RBUF], pad[1 << 20];
static int publishing, measuring;
static uint64_t sent, expected, received, m_sent, m_received, m_bytes, other_frames;
static uint64_t order_bad, misrouted, stalls, protocol_errors, first_msgs, acks, refused;

#include "wsload_measure.h"
#include "wsload_wire.h"

/* ---------- phases ---------- */
static void start_conn(int i) {
    struct conn *c = &conns[i]; int one = 1;
    c->fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (c->fd < 0) { perror("wsload: socket"); exit(2); }
    setsockopt(c->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    if (clients > 25000) {
        struct sockaddr_in s = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001 + i / 25000)};
        setsockopt(c->fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        bind(c->fd, (struct sockaddr *)&s, sizeof s);
    }
    const struct url *to = url_of(i);
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(to->port)};
    inet_pton(AF_INET, to->host, &a.sin_addr);
    struct epoll_event e = {.events = EPOLLOUT, .data.ptr = c};
    epoll_ctl(ep, EPOLL_CTL_ADD, c->fd, &e);
    c->state = CONNECTING; handshakes++;
    if (connect(c->fd, (struct sockaddr *)&a, sizeof a) < 0 && errno != EINPROGRESS) kill_conn(c);
}
static double connect_all(void) {
    uint64_t t0 = now_ns(), limit = t0 + 60000000000ull; int next = 0;
    while (n_open + n_dead < clients && now_ns() < limit) {
        while (next < clients && handshakes < inflight) start_conn(next++);
        poll_once(10000000);
    }
    return (now_ns() - t0) / 1e9;
}
/* Runs the load for `secs`; stops early only in the drain phase, when nothing is missing. */
static void run_for(double secs, uint64_t *due, uint64_t step, int *turn, int draining) {
    uint64_t end = now_ns() + (uint64_t)(secs * 1e9), check = now_ns() + STALL_NS;
    for (uint64_t t; (t = now_ns()) < end;) {
        if (draining && received >= expected && (!ack_mark || acks + refused >= sent)) break;
        int64_t wait = end - t;
        if (publishing && rate > 0) {
            for (; *due <= t; *due += step) { publish(*turn, *due); *turn = (*turn + 1) % n_pubs; }
            wait = *due - now_ns();
        }
        if (publishing && window && t > check) {      /* a lost message must not stop the run */
            for (int p = 0; p < n_pubs; p++)
                if (pubs[p].seq - pubs[p].done >= (uint32_t)window && t - pubs[p].last_ack > STALL_NS)
                    { stalls++; acknowledged(&pubs[p]); }
            check = t + STALL_NS / 4;
        }
        poll_once(wait < 10000000 ? wait : 10000000);
    }
}
static void mark(const char *what) { if (marks) fprintf(stderr, "%s\n", what); }
static void usage(const char *why) {
    fprintf(stderr, "wsload: %s (the head of wsload.c tells the options)\n", why); exit(2);
}
static void options(int argc, char **argv) {
    for (int a = 1; a < argc; a++) {
        char *o = argv[a], *v = a + 1 < argc ? argv[a + 1] : "";
#define FLAG(name, code) if (!strcmp(o, name)) { code; continue; }
#define OPT(name, code) if (!strcmp(o, name)) { a++; code; continue; }
        FLAG("--idle", idle = 1) FLAG("--spin", spin = 1) FLAG("--socketio", socketio = 1) FLAG("--no-echo", echo = 0)
        FLAG("--marks", marks = 1)
        OPT("--url", if (n_urls == MAX_URLS) usage("--url: too many"); urls[n_urls++].url = v) OPT("--header", headers[n_headers++ & 31] = v) OPT("--join", joins[n_joins++ & 31] = v)
        OPT("--wait-join", wait_join = v) OPT("--acks", ack_mark = v) OPT("--refusals", refusal_mark = v) OPT("--clients", clients = atoi(v)) OPT("--rooms", rooms = atoi(v))
        OPT("--inflight", inflight = atoi(v)) OPT("--publishers", per_room = atoi(v)) OPT("--pub", pub_tmpl = v)
        OPT("--size", size = atoi(v)) OPT("--window", window = atoi(v)) OPT("--rate", rate = atof(v))
        OPT("--warmup", warmup = atof(v)) OPT("--seconds", seconds = atof(v)) OPT("--drain", drain = atof(v))
        OPT("--pid", pids[n_pids++ & 255] = atoi(v))
        OPT("--ack", ack_mode = !strcmp(v, "all") ? ACK_ALL : !strcmp(v, "next") ? ACK_NEXT : ACK_SELF)
        OPT("--vars", {
            FILE *f = fopen(v, "r"); char line[8192];
            if (!f) usage("--vars: cannot open");
            while (fgets(line, sizeof line, f)) {
                line[strcspn(line, "\r\n")] = 0;
                vars = realloc(vars, (n_vars + 1) * sizeof *vars); vars[n_vars++] = strdup(line);
            }
            fclose(f);
        })
        usage(o);
    }
    if (!n_urls) usage("--url ws://...");
    for (struct url *u = urls; u < urls + n_urls; u++) {
        if (strncmp(u->url, "ws://", 5)) usage("--url ws://...");
        u->host = strdup(u->url + 5);
        char *slash = strchr(u->host, '/'), *colon = strchr(u->host, ':');
        u->path = slash ? strdup(slash) : "/"; if (slash) *slash = 0;
        u->port = colon ? atoi(colon + 1) : 80; if (colon) *colon = 0;
    }
    if (clients < 1 || rooms < 1 || rooms > clients) usage("--clients / --rooms");
    if (!idle && (per_room < 1 || per_room * rooms > clients || !pub_tmpl || !contains(pub_tmpl, strlen(pub_tmpl), "{payload}")))
        usage("--publishers (per room) and --pub with {payload} are needed");
    if (!idle && !(rate > 0) == !(window > 0)) usage("either --rate or --window");
    if (window >= RING || size < MARK_LEN || size >= 1 << 20) usage("--window < 1024, --size 36..1048575");
    if (!echo && ack_mode == ACK_SELF) ack_mode = ACK_NEXT;
}
int main(int argc, char **argv) {
    options(argc, argv);
    prctl(PR_SET_TIMERSLACK, 1);
    struct rlimit rl; getrlimit(RLIMIT_NOFILE, &rl); rl.rlim_cur = rl.rlim_max; setrlimit(RLIMIT_NOFILE, &rl);
    memset(pad, 'x', sizeof pad);
    ep = epoll_create1(EPOLL_CLOEXEC);
    conns = calloc(clients, sizeof *conns); room_open = calloc(rooms, sizeof *room_open);
    n_pubs = per_room * rooms; pubs = calloc(n_pubs + 1, sizeof *pubs);
    for (int i = 0; i < clients; i++) {
        conns[i].room = i % rooms; conns[i].pub = i < n_pubs ? i : -1;
        conns[i].last = calloc(per_room + 1, sizeof(uint32_t));
        if (i < n_pubs) pubs[i].conn = i;
    }
    double cpu0, rss0, cpu1, rss1, cpu2, own0, own1, busy0[MAX_CPU], busy1[MAX_CPU]; int n_cpu;
    server_usage(&cpu0, &rss0);
    double t_conn = connect_all();
    int opened_n = n_open;
    server_usage(&cpu1, &rss1);
    double connect_cpu = cpu1 - cpu0;
    uint64_t due = 0, step = rate > 0 ? (uint64_t)(1e9 / rate) : 0; int turn = 0;
    run_for(idle ? 1.0 : 0.5, &due, step, &turn, 0);                     /* let join notices settle */
    first_msgs = other_frames;
    server_usage(&cpu1, &rss1);
    double elapsed = 0; n_cpu = cpu_busy(busy0); cpu2 = cpu1; own0 = own1 = own_cpu();
    if (idle) { run_for(seconds, &due, step, &turn, 0); elapsed = seconds; server_usage(&cpu2, &rss1); cpu_busy(busy1); }
    else {
        publishing = 1; due = now_ns();
        for (int w = 0; w < window; w++) for (int p = 0; p < n_pubs; p++) publish(p, now_ns());
        run_for(warmup, &due, step, &turn, 0);
        server_usage(&cpu1, &rss1); own0 = own_cpu(); cpu_busy(busy0); mark("measuring"); measuring = 1;
        uint64_t t0 = now_ns();
        run_for(seconds, &due, step, &turn, 0);
        measuring = 0; elapsed = (now_ns() - t0) / 1e9; server_usage(&cpu2, &rss1); own1 = own_cpu(); cpu_busy(busy1);
        mark("measured"); publishing = 0; run_for(drain, &due, step, &turn, 1); poll_once(0);
    }
    int divergent = 0;
    for (int r = 0; r < rooms && echo; r++)
        for (int i = r + rooms; i < clients; i += rooms)
            if (conns[i].state == OPEN && conns[r].state == OPEN && conns[i].order_hash != conns[r].order_hash) { divergent++; break; }
    int64_t lost = (int64_t)expected - (int64_t)received; double cpu = cpu2 - cpu1;
    printf("{\"clients\":%d,\"rooms\":%d,\"publishers\":%d,\"connected\":%d,\"disconnects\":%d,"
           "\"connect_s\":%.3f,\"connects_per_s\":%.0f,\"connect_cpu_us\":%.1f,"
           "\"rss_before\":%.0f,\"rss_after\":%.0f,\"bytes_per_conn\":%.0f",
           clients, rooms, n_pubs, opened_n, n_dead, t_conn, opened_n / t_conn,
           opened_n ? connect_cpu * 1e6 / opened_n : 0, rss0, rss1, opened_n ? (rss1 - rss0) / opened_n : 0);
    if (!idle) {
        printf(",\"seconds\":%.3f,\"msgs_per_s\":%.0f,\"deliveries_per_s\":%.0f,\"bytes_per_delivery\":%.0f,"
               "\"server_cpu_s\":%.2f,\"server_busy\":%.3f,\"deliveries_per_cpu_s\":%.0f,\"generator_busy\":%.3f,"
               "\"sent\":%llu,\"expected\":%llu,\"received\":%llu,\"refused\":%llu,\"lost\":%lld,\"order_violations\":%llu,"
               "\"divergent_rooms\":%d,\"misrouted\":%llu,\"stalls\":%llu,\"protocol_errors\":%llu,\"other_frames\":%llu",
               elapsed, m_sent / elapsed, m_received / elapsed, m_received ? (double)m_bytes / m_received : 0,
               cpu, cpu / elapsed, cpu > 0 ? m_received / cpu : 0, (own1 - own0) / elapsed,
               (unsigned long long)sent, (unsigned long long)expected, (unsigned long long)received, (unsigned long long)refused, (long long)lost,
               (unsigned long long)order_bad, divergent, (unsigned long long)misrouted, (unsigned long long)stalls,
               (unsigned long long)protocol_errors, (unsigned long long)other_frames);
        hist_print("latency_us", &latency);
        if (ack_mark) {
            hist_print("ack_us", &ack_lag);
            printf(",\"acked\":%llu,\"unacked\":%lld", (unsigned long long)acks, (long long)sent - (long long)acks - (long long)refused);
        }
    } else printf(",\"idle_cpu_fraction\":%.4f,\"disconnects_total\":%d,\"other_frames\":%llu", cpu2 > cpu1 ? (cpu2 - cpu1) / elapsed : 0, n_dead, (unsigned long long)first_msgs);
    printf(",\"cpu_busy\":[");
    for (int k = 0; k < n_cpu; k++) printf("%s%.3f", k ? "," : "", (busy1[k] - busy0[k]) / elapsed);
    printf("]}\n");
    return refused || lost || order_bad || divergent || misrouted || protocol_errors || n_dead ? 1 : 0;
}
