/* Closed-loop echo client: the load of bench_echo.py, the same for every server.
 *
 * Usage: echo_client PORT CONNECTIONS SECONDS
 *
 * Each connection sends 64 bytes, reads 64 bytes, and again. It warms up for a fifth of a second,
 * prints "ready", waits for a line, loads for SECONDS and prints "MESSAGES ELAPSED_NS".
 *
 * At the end it sends no more but reads every answer, so that the messages it counts are exactly
 * those that the server handled between the two lines: CPU time per message needs that.
 */
#define _GNU_SOURCE
#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <time.h>

enum { BATCH = 1024, MESSAGE = 64 };

struct connection {
    int fd;
    size_t received; /* of the present answer */
};

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

static int connect_to(int port)
{
    struct sockaddr_in address = {
        .sin_family = AF_INET,
        .sin_port = htons(port),
        .sin_addr.s_addr = htonl(INADDR_LOOPBACK),
    };
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0 || connect(fd, (struct sockaddr *)&address, sizeof address) < 0)
        die("connect");
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &(int){1}, sizeof(int));
    /* Reset at the end: a TIME_WAIT per connection and run would use up the ports. */
    setsockopt(fd, SOL_SOCKET, SO_LINGER, &(struct linger){1, 0}, sizeof(struct linger));
    return fd;
}

static void request(struct connection *connection)
{
    static const char message[MESSAGE];
    connection->received = 0;
    /* One message is under way at most, so the buffer always has room. */
    if (send(connection->fd, message, MESSAGE, MSG_NOSIGNAL) != MESSAGE)
        die("send");
}

/* True if the answer is complete. */
static int answered(struct connection *connection)
{
    char answer[MESSAGE];
    ssize_t count =
        recv(connection->fd, answer, MESSAGE - connection->received, MSG_DONTWAIT);
    if (count < 0 && errno == EAGAIN)
        return 0;
    if (count <= 0)
        die("recv");
    connection->received += count;
    return connection->received == MESSAGE;
}

/* Requests and answers until `duration` is over and every answer is here. */
static int64_t load(int epoll_fd, struct connection *connections, int count, int64_t duration)
{
    static struct epoll_event events[BATCH];
    int64_t messages = 0, end = now_ns() + duration;
    int waiting = count;
    for (int i = 0; i < count; i++)
        request(&connections[i]);
    while (waiting > 0) {
        int ready = epoll_wait(epoll_fd, events, BATCH, 5000);
        if (ready <= 0)
            die("epoll_wait: no answer within 5 seconds");
        int more = now_ns() < end;
        for (int i = 0; i < ready; i++) {
            struct connection *connection = events[i].data.ptr;
            if (!answered(connection))
                continue;
            messages++;
            if (more)
                request(connection);
            else
                waiting--;
        }
    }
    return messages;
}

int main(int argc, char **argv)
{
    if (argc != 4) {
        fprintf(stderr, "usage: echo_client PORT CONNECTIONS SECONDS\n");
        return 2;
    }
    int port = atoi(argv[1]), count = atoi(argv[2]);
    int64_t duration = atof(argv[3]) * 1e9;
    struct connection *connections = calloc(count, sizeof *connections);
    int epoll_fd = epoll_create1(EPOLL_CLOEXEC);
    if (!connections || epoll_fd < 0)
        die("setup");
    for (int i = 0; i < count; i++) {
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &connections[i]};
        connections[i].fd = connect_to(port);
        if (epoll_ctl(epoll_fd, EPOLL_CTL_ADD, connections[i].fd, &event) < 0)
            die("epoll_ctl");
    }
    load(epoll_fd, connections, count, 200 * INT64_C(1000000));

    char line[8];
    puts("ready");
    fflush(stdout);
    if (!fgets(line, sizeof line, stdin))
        return 0;
    int64_t start = now_ns();
    int64_t messages = load(epoll_fd, connections, count, duration);
    printf("%lld %lld\n", (long long)messages, (long long)(now_ns() - start));
    fflush(stdout);
    fgets(line, sizeof line, stdin); /* stays connected while the CPU time is read */
    return 0;
}
