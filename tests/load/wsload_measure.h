/* Included by wsload.c: clocks, the latency histogram, and what the server's processes and the processors use. */
/* ---------- time and histogram (64 linear steps per power of two, < 1.6 % error) ---------- */
static uint64_t now_ns(void) {
    struct timespec t; clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec * 1000000000ull + t.tv_nsec;
}
static struct hist { uint64_t bins[64 * 64], n, max; } latency, ack_lag;
static void hist_add(struct hist *h, uint64_t v) {
    int e = v < 64 ? 0 : 58 - __builtin_clzll(v);
    h->bins[e * 64 + ((v >> e) & 63)]++; h->n++;
    if (v > h->max) h->max = v;
}
static double hist_us(const struct hist *h, double q) {
    uint64_t want = (uint64_t)(q * h->n), got = 0;
    for (int i = 0; i < 64 * 64; i++)
        if ((got += h->bins[i]) > want) return ((uint64_t)(i & 63) << (i >> 6)) / 1e3;
    return h->max / 1e3;
}
static void hist_print(const char *name, const struct hist *h) {
    printf(",\"%s\":{\"p50\":%.0f,\"p90\":%.0f,\"p99\":%.0f,\"p999\":%.0f,\"max\":%.0f}", name,
           hist_us(h, .5), hist_us(h, .9), hist_us(h, .99), hist_us(h, .999), h->max / 1e3);
}

/* ---------- server processes: CPU seconds and resident bytes, children included ---------- */
static void proc_sum(int pid, double *cpu, double *rss, int *n, int depth) {
    char p[64], line[1024]; FILE *f;
    snprintf(p, sizeof p, "/proc/%d/stat", pid);
    if (depth > 8 || !(f = fopen(p, "r"))) return;
    if (fgets(line, sizeof line, f)) {
        unsigned long ut, st; long res; char *q = strrchr(line, ')');
        if (q && sscanf(q + 2, "%*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %lu %lu %*d %*d %*d "
                        "%*d %*d %*d %*u %*u %ld", &ut, &st, &res) == 3) {
            *cpu += (double)(ut + st) / sysconf(_SC_CLK_TCK);
            *rss += (double)res * sysconf(_SC_PAGESIZE); (*n)++;
        }
    }
    fclose(f);
    snprintf(p, sizeof p, "/proc/%d/task", pid);
    DIR *d = opendir(p); struct dirent *e;
    while (d && (e = readdir(d))) {
        char c[400]; int child;
        snprintf(c, sizeof c, "/proc/%d/task/%s/children", pid, e->d_name);
        if (e->d_name[0] == '.' || !(f = fopen(c, "r"))) continue;
        while (fscanf(f, "%d", &child) == 1) proc_sum(child, cpu, rss, n, depth + 1);
        fclose(f);
    }
    if (d) closedir(d);
}
static void server_usage(double *cpu, double *rss) {
    int n = 0; *cpu = *rss = 0;
    for (int i = 0; i < n_pids; i++) proc_sum(pids[i], cpu, rss, &n, 0);
    if (n_pids && !n) { fprintf(stderr, "wsload: no such server process\n"); exit(2); }
}
/* Seconds each processor was NOT idle, up to a constant: shows work of other processes on the
 * server's processor (a disturbed run) and kernel work charged to nobody. */
#define MAX_CPU 64
static int cpu_busy(double *busy) {
    FILE *f = fopen("/proc/stat", "r"); char line[512]; int n = 0;
    while (f && fgets(line, sizeof line, f)) {
        unsigned long v[8] = {0}; int k;
        if (line[3] != ' ' && sscanf(line, "cpu%d %lu %lu %lu %lu %lu %lu %lu", &k, v, v + 1, v + 2, v + 3, v + 4, v + 5, v + 6) == 8 && n < MAX_CPU)
            busy[n++] = now_ns() / 1e9 - (double)(v[3] + v[4]) / sysconf(_SC_CLK_TCK);
    }
    if (f) fclose(f);
    return n;
}
static double own_cpu(void) {
    struct rusage r; getrusage(RUSAGE_SELF, &r);
    return r.ru_utime.tv_sec + r.ru_stime.tv_sec + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) / 1e6;
}
