/* SPDX-License-Identifier: Apache-2.0 */
/* rilld - rill as a daemon. It takes nats-server's flags, configuration files and signals, and
 * may stand on the PATH under that name. All that it does is done through rill.h, but that it reads
 * JWTs as the library does (rilld/resolver.c):
 *
 *     options (flags over file over defaults) -> rill_broker_open -> rill_broker_listen
 *     then the main thread sleeps until a signal comes, a request for its resolver, a log file that
 *     is full, or the time for a sign of life to the service manager:
 *         HUP   read the options again            USR1  open the log file again
 *         USR2  lame duck: leave bit by bit       INT, TERM  leave now
 *
 * Where TLS is configured a rilld-openssl-VERSION that lies beside it takes over
 * (daemon_hand_over()).
 *
 * Exit codes: 0 ended as asked, 1 could not start, 2 the command line is wrong, 3 a store that was
 * looked at or saved is damaged. */
#include <arpa/inet.h>
#include <errno.h>
#include <limits.h>
#include <malloc.h>
#ifdef RILLD_STATIC
#include <nss.h>
#endif
#include <poll.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#include "rill.h"
#include "rilld/care.h"
#include "rilld/files.h"
#include "rilld/log.h"
#include "rilld/options.h"
#include "rilld/reloads.h"
#include "rilld/resolver.h"
#include "rilld/signals.h"
#include "rilld/systemd.h"

enum {
    DAEMON_CLOSE_MS = 3000,       /* how long what is queued may take to leave at the end */
    DAEMON_DRAIN_POLL_MS = 50,    /* how often a lame duck looks whether all have gone */
    DAEMON_DRAIN_EXTRA_MS = 5000, /* and how long beyond its time it waits for the last */
    DAEMON_RILL_BYTES = 80,       /* for the text of a version */
    DAEMON_LARGE = 2 * 1024 * 1024, /* bytes that are not taken from the heap */
    DAEMON_ABOUT = 64 * 1024 * 1024, /* that a broker may take which only says what it is */
};

/* What clients are told when no flag says otherwise; as in rill_broker_opts.version. */
static const char daemon_announced[] = "2.15.2";

typedef struct rill_daemon {
    int argc;
    char **argv;
    const char *program;  /* argv[0] without its path */
    daemon_options options;
    rill_host host;
    rill_broker *broker;
    resolver *resolver;   /* operator mode; else NULL */
    reloads reloads;      /* who asks for one in the system's account */
    char reload_error[RELOADS_ERROR_BYTES]; /* why the last one failed; empty: it did not */
    int signals_fd;
    int port;             /* that we listen on */
    int kafka_port;       /* and for Kafka's clients; 0: we do not */
    int web_port;         /* likewise for WebSocket */
    int http_port;        /* likewise for whoever looks at the broker */
    systemd_peer systemd;
    int64_t alive_due_ms;    /* when the next sign of life is due */
    int64_t drain_until_ms;  /* lame duck: when to leave at the latest; 0: we are none */
} rill_daemon;

static int64_t daemon_now_ms(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static const char *daemon_version(const daemon_options *options)
{
    return options->version ? options->version : daemon_announced;
}

static void daemon_notes(const daemon_options *options)
{
    for (const options_note *note = options->notes; note; note = note->next)
        log_line(RILL_WARN, "%s", note->text);
}

/* ---- Start ---- */

/* The versions of rill itself and of its TLS: "rill 1.2.3, mbedTLS 2.28.3". */
static const char *daemon_rill(char text[DAEMON_RILL_BYTES])
{
    uint32_t lib = rill_version();
    rill_broker_info info = {.size = sizeof info};
    rill_broker_opts opts = {.size = sizeof opts, .memory_bytes = DAEMON_ABOUT};
    rill_broker *broker = NULL; /* which need not find out what memory the machine has */
    bool known = rill_broker_open(&broker, &opts) >= 0 && rill_broker_about(broker, &info) >= 0;
    snprintf(text, DAEMON_RILL_BYTES, "rill %u.%u.%u%s%s", lib >> 16, lib >> 8 & 255, lib & 255,
             known ? ", " : "", known ? info.tls_library : "");
    rill_broker_close(broker, 0);
    return text;
}

/* Under the name of nats-server this is one line that its tools know, and nothing else. */
static void daemon_put_version(const rill_daemon *self)
{
    char rill[DAEMON_RILL_BYTES];
    const char *version = daemon_version(&self->options);
    if (strcmp(self->program, "nats-server") == 0) printf("%s: v%s\n", self->program, version);
    else printf("%s: v%s (%s)\n", self->program, version, daemon_rill(rill));
}

static void daemon_greet(const rill_daemon *self)
{
    const daemon_options *options = &self->options;
    char rill[DAEMON_RILL_BYTES];
    log_line(RILL_INFO, "Starting %s", self->program);
    log_line(RILL_INFO, "  Version:  %s (%s)", daemon_version(options), daemon_rill(rill));
    if (options->server_name) log_line(RILL_INFO, "  Name:     %s", options->server_name);
    if (options->config_file)
        log_line(RILL_INFO, "Using configuration file: %s", options->config_file);
    daemon_notes(options);
    if (!options->jetstream) return;
    log_line(RILL_INFO, "Starting JetStream");
    log_line(RILL_INFO, "  Store Directory: \"%s\"", options->stream_dir);
    if (options->store_temporary)
        log_line(RILL_WARN, "Temporary storage directory used, data could be lost on system "
                 "reboot");
}

enum { DAEMON_URL_BYTES = 512 };

static bool daemon_url(const daemon_options *options, int port, char url[DAEMON_URL_BYTES])
{
    const char *format = strchr(options->host, ':') != NULL ? "nats://[%s]:%d" : "nats://%s:%d";
    int len = snprintf(url, DAEMON_URL_BYTES, format, options->host, port);
    return len > 0 && len < DAEMON_URL_BYTES;
}

/* With the socket that the service manager has for it, if it has one. */
static int daemon_open_door(rill_daemon *self, const char *door, const char *url,
                            rill_listen_opts *opts)
{
    opts->socket = systemd_take(&self->systemd, door);
    signals_hold(true);
    int rc = rill_broker_listen(self->broker, url, opts);
    signals_hold(false);
    if (opts->socket) close(opts->socket);
    return rc;
}

static bool daemon_listen(rill_daemon *self)
{
    const daemon_options *options = &self->options;
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (!daemon_url(options, options->port < 0 ? 0 : options->port, url)) {
        log_fatal("Error listening on port: the host is too long");
        return false;
    }
    const char *address = url + strlen("nats://");
    options_listen(options, &opts);
    int rc = daemon_open_door(self, "nats", url, &opts);
    if (rc < 0) {
        log_fatal("Error listening on port: %s, \"%s\"", address, rill_errmsg());
        return false;
    }
    self->port = rc;
    log_line(RILL_INFO, "Listening for client connections on %.*s%d",
             (int)(strrchr(address, ':') + 1 - address), address, self->port);
    if (options->tls.on)
        log_line(RILL_INFO, "TLS %s for client connections",
                 options->tls_optional ? "is there" : "required");
    return true;
}

/* New connections come by these options; files are read again. False: rill has the sentence. */
static bool daemon_listen_again(rill_daemon *self, const daemon_options *options)
{
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    return daemon_url(options, self->port, url) &&
           rill_broker_listen(self->broker, url, options_listen(options, &opts)) >= 0;
}

static bool daemon_kafka_url(const daemon_options *options, int port, char url[DAEMON_URL_BYTES])
{
    bool ipv6 = strchr(options->kafka_host, ':') != NULL;
    int len = snprintf(url, DAEMON_URL_BYTES, "%s://%s%s%s:%d",
                       options->kafka_tls.on ? "kafkas" : "kafka", ipv6 ? "[" : "",
                       options->kafka_host, ipv6 ? "]" : "", port);
    return len > 0 && len < DAEMON_URL_BYTES;
}

static bool daemon_listen_kafka(rill_daemon *self)
{
    const daemon_options *options = &self->options;
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (options->kafka_port == 0 && !systemd_has(&self->systemd, "kafka")) return true;
    if (!daemon_kafka_url(options, options->kafka_port < 0 ? 0 : options->kafka_port, url)) {
        log_fatal("Error listening on port: the host is too long");
        return false;
    }
    options_listen_kafka(options, &opts);
    self->kafka_port = daemon_open_door(self, "kafka", url, &opts);
    if (self->kafka_port < 0) {
        log_fatal("Error listening for Kafka's clients: %s", rill_errmsg());
        return false;
    }
    const char *address = strstr(url, "://") + strlen("://");
    log_line(RILL_INFO, "Listening for Kafka's clients on %.*s%d",
             (int)(strrchr(address, ':') + 1 - address), address, self->kafka_port);
    if (options->kafka_tls.on) log_line(RILL_INFO, "TLS required for Kafka's clients");
    return true;
}

/* As daemon_listen_again(). */
static bool daemon_listen_kafka_again(rill_daemon *self, const daemon_options *options)
{
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (self->kafka_port == 0) return true;
    return daemon_kafka_url(options, self->kafka_port, url) &&
           rill_broker_listen(self->broker, url, options_listen_kafka(options, &opts)) >= 0;
}

static bool daemon_web_url(const daemon_options *options, int port, char url[DAEMON_URL_BYTES])
{
    bool ipv6 = strchr(options->web_host, ':') != NULL;
    int len = snprintf(url, DAEMON_URL_BYTES, "%s://%s%s%s:%d", options->web_tls.on ? "wss" : "ws",
                       ipv6 ? "[" : "", options->web_host, ipv6 ? "]" : "", port);
    return len > 0 && len < DAEMON_URL_BYTES;
}

static bool daemon_listen_web(rill_daemon *self)
{
    const daemon_options *options = &self->options;
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (options->web_port == 0 && !systemd_has(&self->systemd, "websocket")) return true;
    if (!daemon_web_url(options, options->web_port < 0 ? 0 : options->web_port, url)) {
        log_fatal("Unable to listen for websocket connections: the host is too long");
        return false;
    }
    options_listen_web(options, &opts);
    self->web_port = daemon_open_door(self, "websocket", url, &opts);
    if (self->web_port < 0) {
        log_fatal("Unable to listen for websocket connections: %s", rill_errmsg());
        return false;
    }
    log_line(RILL_INFO, "Listening for websocket clients on %.*s%d",
             (int)(strrchr(url, ':') + 1 - url), url, self->web_port);
    if (!options->web_tls.on)
        log_line(RILL_WARN, "Websocket not configured with TLS. DO NOT USE IN PRODUCTION!");
    return true;
}

/* As daemon_listen_again(). */
static bool daemon_listen_web_again(rill_daemon *self, const daemon_options *options)
{
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (self->web_port == 0) return true;
    return daemon_web_url(options, self->web_port, url) &&
           rill_broker_listen(self->broker, url, options_listen_web(options, &opts)) >= 0;
}

static bool daemon_http_url(const daemon_options *options, int port, char url[DAEMON_URL_BYTES])
{
    bool ipv6 = strchr(options->http_host, ':') != NULL;
    int len = snprintf(url, DAEMON_URL_BYTES, "%s://%s%s%s:%d",
                       options->https_port ? "https" : "http", ipv6 ? "[" : "",
                       options->http_host, ipv6 ? "]" : "", port);
    return len > 0 && len < DAEMON_URL_BYTES;
}

/* As daemon_listen_again(). */
static bool daemon_listen_http_again(rill_daemon *self, daemon_options *options)
{
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (self->http_port == 0) return true;
    return daemon_http_url(options, self->http_port, url) &&
           rill_broker_listen(self->broker, url, options_listen_http(options, &opts)) >= 0;
}

/* The broker answers there itself. */
static bool daemon_start_monitor(rill_daemon *self)
{
    daemon_options *options = &self->options;
    int port = options->https_port ? options->https_port : options->http_port;
    char url[DAEMON_URL_BYTES];
    rill_listen_opts opts;
    if (port == 0 && !systemd_has(&self->systemd, "http")) return true;
    if (!daemon_http_url(options, port < 0 ? 0 : port, url)) {
        log_fatal("Can't start monitoring: the host is too long");
        return false;
    }
    options_listen_http(options, &opts);
    self->http_port = daemon_open_door(self, "http", url, &opts);
    if (self->http_port <= 0) {
        log_fatal("Can't start monitoring: can't listen to the monitor port: %s", rill_errmsg());
        return false;
    }
    const char *address = strstr(url, "://") + strlen("://");
    log_line(RILL_INFO, "Starting %.*s monitor on %.*s%d", (int)(address - url - 3), url,
             (int)(strrchr(address, ':') + 1 - address), address, self->http_port);
    return true;
}

static bool daemon_write_ports(const rill_daemon *self)
{
    const daemon_options *options = &self->options;
    const files_port ports[] = {
        {"nats", "nats", options->host, self->port},
        {"monitoring", options->https_port ? "https" : "http", options->http_host,
         self->http_port},
        {"kafka", "kafka", options->kafka_host, self->kafka_port},
        {"websocket", options->web_tls.on ? "wss" : "ws", options->web_host, self->web_port},
    };
    if (!options->ports_file_dir) return true;
    if (files_write_ports(options->ports_file_dir, self->program, ports,
                          sizeof ports / sizeof ports[0]))
        return true;
    log_fatal("Error writing ports file in %s: %s", options->ports_file_dir, strerror(errno));
    return false;
}

/* Where a static program looks up names: other sources of them are shared libraries. Without a
 * name, the C library need not read which there are. */
static void daemon_bound_lookups(const char *host)
{
#ifdef RILLD_STATIC
    struct in6_addr address;
    if (inet_pton(AF_INET, host, &address) == 1 || inet_pton(AF_INET6, host, &address) == 1) return;
    __nss_configure_lookup("hosts", "files dns");
#else
    (void)host;
#endif
}

/* In words that test harnesses of nats-server's world look for. */
static void daemon_no_store(const daemon_options *options)
{
    const char *why = strerror(errno);
    if (errno == ENOTDIR || errno == EEXIST)
        log_fatal("Can't start JetStream: storage directory is not a directory: %s",
                  options->stream_dir);
    else
        log_fatal("Can't start JetStream: could not create storage directory: mkdir %s: %s",
                  options->stream_dir, why);
}

static bool daemon_start(rill_daemon *self)
{
    const daemon_options *options = &self->options;
    daemon_greet(self);
    daemon_bound_lookups(options->host);
    daemon_bound_lookups(options->http_host);
    if (options->pid_file && !files_write_pid(options->pid_file)) {
        log_fatal("Could not write pidfile: %s: %s", options->pid_file, strerror(errno));
        return false;
    }
    if (options->jetstream && !files_make_dirs(options->stream_dir)) {
        daemon_no_store(options);
        return false;
    }
    options_set_limits(&self->options, NULL);
    char error[JWT_DIR_ERROR];
    if (!resolver_open(&self->resolver, &self->options)) {
        log_fatal("%s", options->error);
        return false;
    }
    if (rill_broker_open(&self->broker, &options->broker) < 0) {
        log_fatal("%s", rill_errmsg());
        return false;
    }
    if (self->resolver && !resolver_start(self->resolver, NULL, self->broker, options, error)) {
        log_fatal("resolver: %s", error);
        return false;
    }
    if (!daemon_start_monitor(self) || !daemon_listen(self) || !daemon_listen_kafka(self) ||
        !daemon_listen_web(self))
        return false;
    if (!daemon_write_ports(self)) return false;
    log_line(RILL_INFO, "Server is ready");
    systemd_say(&self->systemd, "READY=1\nSTATUS=Listening on port %d", self->port);
    return true;
}

/* ---- Signals ---- */

static void daemon_fail(rill_daemon *self, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static void daemon_fail(rill_daemon *self, const char *format, ...)
{
    va_list args;
    va_start(args, format);
    vsnprintf(self->reload_error, sizeof self->reload_error, format, args);
    va_end(args);
    log_line(RILL_ERROR, "Failed to reload server configuration: %s", self->reload_error);
}

/* All or nothing: what cannot be so leaves everything as it was. */
static bool daemon_apply(rill_daemon *self, daemon_options *next)
{
    options_set_limits(next, &self->options);
    const char *fixed = options_fixed_change(&self->options, next);
    if (fixed) {
        daemon_fail(self, "config reload not supported for %s", fixed);
        return false;
    }
    char error[LOG_ERROR_BYTES];
    if (!log_open(&next->log, error)) {
        daemon_fail(self, "%s", error);
        return false;
    }
    next->broker.host = &self->host;
    if (!daemon_listen_again(self, next) || !daemon_listen_kafka_again(self, next) ||
        !daemon_listen_web_again(self, next) || !daemon_listen_http_again(self, next) ||
        rill_broker_reload(self->broker, &next->broker) < 0) {
        daemon_fail(self, "%s", rill_errmsg());
        daemon_listen_again(self, &self->options);
        daemon_listen_kafka_again(self, &self->options);
        daemon_listen_web_again(self, &self->options);
        daemon_listen_http_again(self, &self->options);
        log_open(&self->options.log, error);
        return false;
    }
    if (next->pid_file && !files_write_pid(next->pid_file))
        log_line(RILL_ERROR, "Could not write pidfile: %s: %s", next->pid_file, strerror(errno));
    return true;
}

static void daemon_read_again(rill_daemon *self)
{
    if (!self->options.config_file) {
        daemon_fail(self, "can only reload config when a file is provided using -c or --config");
        return;
    }
    daemon_options next;
    char error[JWT_DIR_ERROR];
    resolver *accounts = NULL;
    if (!options_load(&next, self->argc, self->argv) || !resolver_open(&accounts, &next)) {
        daemon_fail(self, "%s", next.error);
    } else if (daemon_apply(self, &next)) {
        daemon_options old = self->options;
        self->options = next;
        next = old;
        resolver *before = self->resolver;
        self->resolver = accounts;
        accounts = before;
        if (self->resolver &&
            !resolver_start(self->resolver, before, self->broker, &self->options, error))
            log_line(RILL_ERROR, "resolver: %s", error);
        daemon_notes(&self->options);
        log_line(RILL_INFO, "Reloaded server configuration");
    }
    resolver_close(accounts);
    options_free(&next);
}

static void daemon_hear_reloads(rill_daemon *self)
{
    const char *system = resolver_system(self->resolver);
    const daemon_options *options = &self->options;
    if (!system) system = options->broker.system_account ? options->broker.system_account : "$SYS";
    reloads_start(&self->reloads, self->broker, system, options->jetstream);
}

/* Who has asked for it hears what came of it, and then who may ask is another. */
static void daemon_reload(rill_daemon *self)
{
    self->reload_error[0] = 0;
    systemd_say_reloading(&self->systemd);
    daemon_read_again(self);
    systemd_say(&self->systemd, "READY=1");
    reloads_answer(&self->reloads, self->reload_error);
    daemon_hear_reloads(self);
}

static void daemon_reopen_log(const rill_daemon *self)
{
    char error[LOG_ERROR_BYTES];
    if (!self->options.log.file)
        log_line(RILL_INFO, "File log re-open ignored, not a file logger");
    else if (log_open(&self->options.log, error))
        log_line(RILL_INFO, "File log re-opened");
    else
        log_line(RILL_ERROR, "File log could not be re-opened: %s", error);
}

static void daemon_lame_duck(rill_daemon *self)
{
    if (self->drain_until_ms != 0) return;
    const daemon_options *options = &self->options;
    log_line(RILL_INFO, "Entering lame duck mode, stop accepting new clients");
    uint32_t grace = options->lame_duck_grace_ms;
    uint32_t duration = options->lame_duck_duration_ms;
    duration = duration > grace ? duration - grace : 0;
    if (rill_broker_lame_duck(self->broker, grace, duration) < 0) {
        log_line(RILL_ERROR, "%s", rill_errmsg());
        return;
    }
    systemd_say(&self->systemd, "STATUS=Lame duck: clients are asked to leave");
    self->drain_until_ms = daemon_now_ms() + grace + duration + DAEMON_DRAIN_EXTRA_MS;
}

/* False: it is time to leave. */
static bool daemon_signal(rill_daemon *self, int number)
{
    log_line(RILL_INFO, "Trapped \"%s\" signal", signals_name(number));
    switch (number) {
    case SIGHUP: daemon_reload(self); return true;
    case SIGUSR1: daemon_reopen_log(self); return true;
    case SIGUSR2: daemon_lame_duck(self); return true;
    default: return false;
    }
}

static bool daemon_drained(const rill_daemon *self)
{
    rill_stats stats = {.size = sizeof stats};
    if (rill_broker_stats(self->broker, &stats) < 0 || stats.conns == 0) return true;
    return daemon_now_ms() > self->drain_until_ms;
}

/* A sign of life, if it is time for one; a broker that lets nobody in any more gives none. How long
 * until the next, in milliseconds; -1: for ever. */
static int daemon_live(rill_daemon *self)
{
    int64_t now_ms = daemon_now_ms();
    rill_stats stats = {.size = sizeof stats};
    if (self->systemd.watchdog_ms < 0) return -1;
    if (now_ms >= self->alive_due_ms) {
        if (rill_broker_stats(self->broker, &stats) >= 0)
            systemd_say(&self->systemd, "WATCHDOG=1");
        self->alive_due_ms = now_ms + self->systemd.watchdog_ms;
    }
    int64_t left_ms = self->alive_due_ms - now_ms;
    return left_ms < 1 ? 1 : (int)left_ms;
}

/* Of two times to wait, in milliseconds; negative: for ever. */
static int daemon_sooner(int a, int b)
{
    return a < 0 || (b >= 0 && b < a) ? b : a;
}

/* Until a signal, or the end of a lame duck, says that it is over. */
static void daemon_serve(rill_daemon *self)
{
    for (;;) {
        bool draining = self->drain_until_ms != 0;
        if (draining && daemon_drained(self)) return;
        struct pollfd fds[] = {{.fd = self->signals_fd, .events = POLLIN},
                               {.fd = resolver_fd(self->resolver), .events = POLLIN},
                               {.fd = reloads_fd(&self->reloads), .events = POLLIN},
                               {.fd = log_fd(), .events = POLLIN}};
        int wait_ms = daemon_sooner(daemon_live(self), resolver_wait_ms(self->resolver));
        wait_ms = daemon_sooner(wait_ms, reloads_wait_ms(&self->reloads));
        wait_ms = daemon_sooner(wait_ms, log_wait_ms());
        if (draining) wait_ms = daemon_sooner(wait_ms, DAEMON_DRAIN_POLL_MS);
        if (poll(fds, sizeof fds / sizeof fds[0], wait_ms) < 0 && errno != EINTR) {
            log_line(RILL_ERROR, "poll: %s", strerror(errno));
            return;
        }
        log_turn();
        resolver_turn(self->resolver);
        if (reloads_turn(&self->reloads)) daemon_reload(self);
        unsigned char number;
        while (read(self->signals_fd, &number, 1) == 1)
            if (!daemon_signal(self, number)) return;
    }
}

/* ---- All of it ---- */

static int daemon_run(rill_daemon *self)
{
    char wrong[SYSTEMD_ERROR_BYTES], error[LOG_ERROR_BYTES];
    if (!log_open(&self->options.log, error)) {
        fprintf(stderr, "%s: %s\n", self->program, error);
        return 1;
    }
    self->signals_fd = signals_install();
    if (self->signals_fd < 0) {
        log_fatal("signal handlers: %s", strerror(errno));
        return 1;
    }
    self->host = (rill_host){.size = sizeof self->host, .log = log_hook};
    self->options.broker.host = &self->host;
    bool started = systemd_begin(&self->systemd, wrong);
    if (!started) log_fatal("%s", wrong);
    started = started && daemon_start(self);
    if (started) {
        daemon_hear_reloads(self);
        daemon_serve(self);
        log_line(RILL_INFO, "Initiating Shutdown...");
        systemd_say(&self->systemd, "STOPPING=1");
    }
    reloads_stop(&self->reloads);
    resolver_close(self->resolver);
    rill_broker_close(self->broker, DAEMON_CLOSE_MS); /* and its doors' threads with it */
    systemd_end(&self->systemd);
    if (!started) return 1;
    if (self->options.ports_file_dir)
        files_remove_ports(self->options.ports_file_dir, self->program);
    log_line(RILL_INFO, "Server Exiting..");
    return 0;
}

#ifdef RILLD_TWIN
/* The program beside this one has the faster TLS, and is larger: it takes over where there is TLS,
 * and where it is not there this one serves, too. Its name has the version, so that one of another
 * version, which an upgrade has left behind, does not take over. A configuration that can be read
 * only once is read here. */
static void daemon_hand_over(const rill_daemon *self)
{
    const daemon_options *options = &self->options;
    char path[PATH_MAX];
    struct stat file;
    if (!options->tls.on && !options->kafka_tls.on && !options->web_tls.on &&
        !options->show_version)
        return;
    if (options->config_file && (stat(options->config_file, &file) < 0 || !S_ISREG(file.st_mode)))
        return;
    const size_t room = sizeof path - sizeof RILLD_TWIN;
    ssize_t len = readlink("/proc/self/exe", path, room);
    if (len <= 0 || (size_t)len == room) return; /* it may go on, into another directory */
    path[len] = 0;
    char *slash = strrchr(path, '/');
    if (!slash) return;
    strcpy(slash + 1, RILLD_TWIN);
    execv(path, self->argv);
}
#endif

/* -v, -h, --signal, --check, --salvage and -t: answered without serving. */
static int daemon_answer(rill_daemon *self)
{
    const daemon_options *options = &self->options;
    char error[SIGNALS_ERROR_BYTES];
    if (options->show_version) {
        daemon_put_version(self);
    } else if (options->help || options->help_tls) {
        options_usage(self->program);
    } else if (options->signal) {
        if (!signals_send(options->signal, self->program, error)) {
            fprintf(stderr, "%s: %s\n", self->program, error);
            return 1;
        }
    } else if (options->check_dir) {
        return care_check(self->program, options->check_dir);
    } else if (options->salvage_from) {
        return care_salvage(self->program, options->salvage_from, options->salvage_to);
    } else if (options->test_config) {
        for (const options_note *note = options->notes; note; note = note->next)
            fprintf(stderr, "%s: %s\n", self->program, note->text);
        resolver *accounts;
        bool good = resolver_open(&accounts, &self->options) && options_try(&self->options);
        if (!good) fprintf(stderr, "%s: %s\n", self->program, options->error);
        resolver_close(accounts);
        if (!good) return 1;
        printf("%s: configuration file %s is valid\n", self->program, options->config_file);
    } else {
        return daemon_run(self);
    }
    return 0;
}

int main(int argc, char **argv)
{
#ifdef M_ARENA_MAX
    mallopt(M_ARENA_MAX, 1); /* our few threads allocate rarely: one heap is the smallest */
    /* What a few large requests took goes back when it is freed, and leaves no holes in the heap.
     * The bound would follow the largest block that was freed, up to 32 MiB. */
    mallopt(M_MMAP_THRESHOLD, DAEMON_LARGE);
    mallopt(M_TRIM_THRESHOLD, 2 * DAEMON_LARGE);
#endif
    const char *slash = strrchr(argv[0], '/');
    rill_daemon self = {.argc = argc, .argv = argv,
                        .program = slash ? slash + 1 : argv[0]};
    int code;
    if (options_load(&self.options, argc, argv)) {
#ifdef RILLD_TWIN
        daemon_hand_over(&self);
#endif
        code = daemon_answer(&self);
    } else if (self.options.usage_error) {
        fprintf(stderr, "%s: %s\nTry %s --help.\n", self.program, self.options.error, argv[0]);
        code = 2;
    } else {
        fprintf(stderr, "%s: %s\n", self.program, self.options.error);
        code = 1;
    }
    log_close();
    options_free(&self.options);
    return code;
}
