#pragma once

// Sockets and epoll, as far as the HTTP server needs them. -1 and errno on failure unless said otherwise.

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

/// A listening TCP socket on a numeric address or a name, with SO_REUSEADDR and keep-alive probes for what it accepts,
/// non-blocking and close-on-exec.
int csystem_listen_tcp(const char *host, uint16_t port, int backlog);
/// A blocking TCP connection to a numeric address, close-on-exec, Nagle off.
int csystem_connect_tcp(const char *host, uint16_t port);
/// The local port of a socket, 0 when it has none.
uint16_t csystem_socket_port(int fd);
/// send(2) that neither waits nor raises SIGPIPE.
ssize_t csystem_send_now(int fd, const void *bytes, size_t size);
/// shutdown(2): of the sending half, or of both.
int csystem_shutdown_send(int fd);
int csystem_shutdown_both(int fd);
/// An address as text ("127.0.0.1:80", "[::1]:80") from 4 or 16 bytes and a port in host order; `size` of 64 is enough.
void csystem_format_address(const uint8_t *bytes, int is_ipv6, uint16_t port, char *text, size_t size);

int csystem_epoll_create(void);
/// Reports, once, that the peer has closed its sending half, or the whole connection, under the number `token`.
int csystem_epoll_watch_hangup(int epoll, int fd, uint64_t token);
/// Reports each time that `fd` can be read, under the number `token`.
int csystem_epoll_watch_readable(int epoll, int fd, uint64_t token);
/// Waits for up to `limit` tokens; -1 milliseconds: for ever. An interrupted wait counts as 0 tokens.
int csystem_epoll_wait(int epoll, uint64_t *tokens, int limit, int milliseconds);
/// Adds to a descriptor of csystem_eventfd, which makes it readable, and takes that back.
void csystem_eventfd_signal(int fd);
void csystem_eventfd_clear(int fd);

/// Raises the soft limit of open files to `wanted` or as near as the hard limit lets it; returns the limit that holds then.
uint64_t csystem_raise_open_files(uint64_t wanted);
/// The time now as an HTTP date, 29 bytes and a NUL.
void csystem_http_date(char text[30]);
