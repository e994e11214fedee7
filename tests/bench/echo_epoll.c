/* TCP echo with epoll: the C side of bench_echo.py.
 *
 * Usage: echo_epoll [--edge]     prints its port on 127.0.0.1 and serves until it is killed
 *
 * Written as a C programmer would who wants it fast and right: one thread, accept4, one buffer for
 * all connections, send first and watch for writability only for what the kernel did not take.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { BATCH = 1024, BACKLOG = 4096, BUFFER = 64 * 1024 };

struct connection {
    int fd;
    char *rest; /* received but not sent yet, NULL if nothing */
    size_t rest_length;
};

static int epoll_fd;
static bool edge;
static char buffer[BUFFER]; /* safe to share: nothing stays in it between two events */

static void die(const char *what)
{
    perror(what);
    exit(1);
}

static void watch(int operation, struct connection *connection, uint32_t direction)
{
    struct epoll_event event = {
        /* RDHUP: an edge that reports data and the end at once would else lose the end, since
         * echo() stops after a short read. */
        .events = edge ? direction | EPOLLRDHUP | EPOLLET : direction,
        .data.ptr = connection,
    };
    if (epoll_ctl(epoll_fd, operation, connection->fd, &event) < 0)
        die("epoll_ctl");
}

static void drop(struct connection *connection)
{
    close(connection->fd); /* leaves the epoll set by that */
    free(connection->rest);
    free(connection);
}

/* Keeps what send(2) did not take and stops reading until it is gone. */
static void keep_rest(struct connection *connection, const char *rest, size_t length)
{
    connection->rest = malloc(length);
    if (!connection->rest)
        die("malloc");
    memcpy(connection->rest, rest, length);
    connection->rest_length = length;
    watch(EPOLL_CTL_MOD, connection, EPOLLOUT);
}

/* Sends the rest. False if the connection is over. */
static bool send_rest(struct connection *connection)
{
    ssize_t sent = send(connection->fd, connection->rest, connection->rest_length, MSG_NOSIGNAL);
    if (sent < 0)
        return errno == EAGAIN;
    connection->rest_length -= sent;
    memmove(connection->rest, connection->rest + sent, connection->rest_length);
    if (connection->rest_length == 0) {
        free(connection->rest);
        connection->rest = NULL;
        /* EPOLL_CTL_MOD reports what has arrived meanwhile, edge-triggered, too. */
        watch(EPOLL_CTL_MOD, connection, EPOLLIN);
    } else if (edge) {
        watch(EPOLL_CTL_MOD, connection, EPOLLOUT); /* asks anew: no edge if there is room left */
    }
    return true;
}

/* Receives and sends back: once if level-triggered, until drained if edge-triggered. A short read
 * tells that a stream is drained (epoll(7)). False if the connection is over. */
static bool echo(struct connection *connection, uint32_t events)
{
    ssize_t received;
    do {
        received = recv(connection->fd, buffer, sizeof buffer, 0);
        if (received <= 0)
            return received < 0 && errno == EAGAIN;
        ssize_t sent = send(connection->fd, buffer, received, MSG_NOSIGNAL);
        if (sent < 0 && errno != EAGAIN)
            return false;
        if (sent < 0)
            sent = 0;
        if (sent < received) {
            keep_rest(connection, buffer + sent, received - sent);
            return true;
        }
    } while (edge && (received == BUFFER || events & EPOLLRDHUP));
    return true;
}

static void accept_all(int listener)
{
    for (;;) {
        int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK | SOCK_CLOEXEC);
        if (fd < 0) {
            if (errno == EAGAIN)
                return;
            if (errno == ECONNABORTED)
                continue;
            die("accept4");
        }
        /* asyncio, uvloop and rloop set it, too. */
        setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
        struct connection *connection = calloc(1, sizeof *connection);
        if (!connection)
            die("calloc");
        connection->fd = fd;
        watch(EPOLL_CTL_ADD, connection, EPOLLIN);
    }
}

static int listen_on_loopback(void)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    socklen_t length = sizeof address;
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
    if (listener < 0 || bind(listener, (struct sockaddr *)&address, sizeof address) < 0 ||
        listen(listener, BACKLOG) < 0 ||
        getsockname(listener, (struct sockaddr *)&address, &length) < 0)
        die("listener");
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = NULL}; /* NULL: the listener */
    if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, listener, &event) < 0)
        die("epoll_ctl");
    printf("%d\n", ntohs(address.sin_port));
    fflush(stdout);
    return listener;
}

int main(int argc, char **argv)
{
    static struct epoll_event events[BATCH];
    edge = argc > 1 && strcmp(argv[1], "--edge") == 0;
    epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (epoll_fd < 0)
        die("epoll_create1");
    int listener = listen_on_loopback();

    for (;;) {
        int count = epoll_wait(epoll_fd, events, BATCH, -1);
        if (count < 0 && errno != EINTR)
            die("epoll_wait");
        for (int i = 0; i < count; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!connection)
                accept_all(listener);
            else if (!(connection->rest ? send_rest(connection)
                                        : echo(connection, events[i].events)))
                drop(connection);
        }
    }
}
