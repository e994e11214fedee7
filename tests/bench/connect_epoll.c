/* Many connects in one epoll loop: the C side of bench_connect.py.
 *
 * Usage: connect_epoll [--early] CAP PORT...
 *
 * Reads lines: "connect ADDRESS COUNT" opens COUNT connections, the ports in turn, at most CAP
 * under way, and prints the nanoseconds that took; "close" closes them and prints "closed".
 *
 * One connect is socket(2), connect(2), EPOLL_CTL_ADD, its share of an epoll_wait(2), and
 * getsockopt(SO_ERROR). One-shot spares the EPOLL_CTL_DEL, which a loop that watches EPOLLOUT
 * level-triggered would need.
 *
 * --early asks getpeername(2) right after connect(2) and leaves epoll alone if there is a peer
 * already. On loopback there always is one, so this is the least that any program can do here.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { BATCH = 1024 };

static bool early;

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static int64_t now_ns(void)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return now.tv_sec * INT64_C(1000000000) + now.tv_nsec;
}

static bool has_peer(int fd)
{
    struct sockaddr_storage peer;
    socklen_t length = sizeof peer;
    return getpeername(fd, (struct sockaddr *)&peer, &length) == 0;
}

/* Starts one connect. True if it has to be waited for. */
static bool start(int epoll_fd, const struct sockaddr_in *address, int *fd)
{
    *fd = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (*fd < 0)
        die("socket");
    if (connect(*fd, (const struct sockaddr *)address, sizeof *address) == 0)
        return false;
    if (errno != EINPROGRESS)
        die("connect");
    if (early && has_peer(*fd))
        return false;
    struct epoll_event event = {.events = EPOLLOUT | EPOLLONESHOT, .data.fd = *fd};
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, *fd, &event) < 0)
        die("epoll_ctl");
    return true;
}

/* Waits once and checks those that ended. */
static int finish_some(int epoll_fd)
{
    static struct epoll_event events[BATCH];
    int ready = epoll_wait(epoll_fd, events, BATCH, 5000);
    if (ready <= 0)
        die("epoll_wait: nothing within 5 seconds");
    for (int i = 0; i < ready; i++) {
        int error = 0;
        socklen_t length = sizeof error;
        if (getsockopt(events[i].data.fd, SOL_SOCKET, SO_ERROR, &error, &length) < 0)
            die("getsockopt");
        if (error) {
            errno = error;
            die("connect");
        }
    }
    return ready;
}

static void connect_all(const char *host, int *fds, int count, int cap, int nports, char **ports)
{
    struct sockaddr_in address = {.sin_family = AF_INET};
    if (inet_pton(AF_INET, host, &address.sin_addr) != 1)
        die("inet_pton");
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    int started = 0, pending = 0;
    while (started < count || pending > 0) {
        while (started < count && pending < cap) {
            address.sin_port = htons(atoi(ports[started % nports]));
            pending += start(epoll_fd, &address, &fds[started++]);
        }
        if (pending > 0)
            pending -= finish_some(epoll_fd);
    }
    close(epoll_fd);
}

int main(int argc, char **argv)
{
    early = argc > 1 && strcmp(argv[1], "--early") == 0;
    argv += 1 + early;
    argc -= 1 + early;
    if (argc < 2) {
        fprintf(stderr, "usage: connect_epoll [--early] CAP PORT...\n");
        return 2;
    }
    int count = 0, *fds = NULL;
    char line[256], host[64];
    while (fgets(line, sizeof line, stdin)) {
        if (sscanf(line, "connect %63s %d", host, &count) == 2) {
            fds = realloc(fds, count * sizeof *fds);
            if (!fds)
                die("realloc");
            int64_t begin = now_ns();
            connect_all(host, fds, count, atoi(argv[0]), argc - 1, argv + 1);
            printf("%lld\n", (long long)(now_ns() - begin));
        } else {
            for (int i = 0; i < count; i++)
                close(fds[i]);
            count = 0;
            puts("closed");
        }
        fflush(stdout);
    }
    return 0;
}
