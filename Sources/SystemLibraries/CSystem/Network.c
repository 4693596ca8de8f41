#define _GNU_SOURCE
#include "CSystem.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static int close_with_errno(int fd) {
  int saved = errno;
  close(fd);
  errno = saved;
  return -1;
}

static struct addrinfo *resolve(const char *host, uint16_t port, int flags) {
  struct addrinfo hints = {0}, *found = NULL;
  char service[8];
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  hints.ai_flags = flags | AI_NUMERICSERV;
  snprintf(service, sizeof service, "%u", (unsigned)port);
  int failure = getaddrinfo(host, service, &hints, &found);
  if (failure == 0) return found;
  errno = failure == EAI_SYSTEM ? errno : EADDRNOTAVAIL;
  return NULL;
}

int csystem_listen_tcp(const char *host, uint16_t port, int backlog) {
  struct addrinfo *address = resolve(host, port, AI_PASSIVE);
  if (!address) return -1;
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0), yes = 1;
  if (fd >= 0) {
    setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &yes, sizeof yes);
    // Accepted sockets inherit these: a peer that vanished without a word is noticed after a minute and a half.
    int idle = 60, interval = 10, probes = 3;
    setsockopt(fd, SOL_SOCKET, SO_KEEPALIVE, &yes, sizeof yes);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPIDLE, &idle, sizeof idle);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPINTVL, &interval, sizeof interval);
    setsockopt(fd, IPPROTO_TCP, TCP_KEEPCNT, &probes, sizeof probes);
    if (bind(fd, address->ai_addr, address->ai_addrlen) != 0 || listen(fd, backlog) != 0) fd = close_with_errno(fd);
  }
  freeaddrinfo(address);
  return fd;
}

int csystem_connect_tcp(const char *host, uint16_t port) {
  struct addrinfo *address = resolve(host, port, AI_NUMERICHOST);
  if (!address) return -1;
  int fd = socket(address->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0), yes = 1;
  if (fd >= 0) {
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &yes, sizeof yes);
    if (connect(fd, address->ai_addr, address->ai_addrlen) != 0) fd = close_with_errno(fd);
  }
  freeaddrinfo(address);
  return fd;
}

uint16_t csystem_socket_port(int fd) {
  struct sockaddr_storage address;
  socklen_t size = sizeof address;
  if (getsockname(fd, (struct sockaddr *)&address, &size) != 0) return 0;
  if (address.ss_family == AF_INET) return ntohs(((struct sockaddr_in *)&address)->sin_port);
  if (address.ss_family == AF_INET6) return ntohs(((struct sockaddr_in6 *)&address)->sin6_port);
  return 0;
}

ssize_t csystem_send_now(int fd, const void *bytes, size_t size) {
  return send(fd, bytes, size, MSG_NOSIGNAL | MSG_DONTWAIT);
}

int csystem_shutdown_send(int fd) { return shutdown(fd, SHUT_WR); }
int csystem_shutdown_both(int fd) { return shutdown(fd, SHUT_RDWR); }

void csystem_format_address(const uint8_t *bytes, int is_ipv6, uint16_t port, char *text, size_t size) {
  char address[INET6_ADDRSTRLEN] = "";
  inet_ntop(is_ipv6 ? AF_INET6 : AF_INET, bytes, address, sizeof address);
  snprintf(text, size, is_ipv6 ? "[%s]:%u" : "%s:%u", address, (unsigned)port);
}

int csystem_epoll_create(void) { return epoll_create1(EPOLL_CLOEXEC); }

static int watch(int epoll, int fd, uint64_t token, uint32_t events) {
  struct epoll_event event = {.events = events, .data.u64 = token};
  return epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
}

int csystem_epoll_watch_hangup(int epoll, int fd, uint64_t token) { return watch(epoll, fd, token, EPOLLRDHUP | EPOLLET); }
int csystem_epoll_watch_readable(int epoll, int fd, uint64_t token) { return watch(epoll, fd, token, EPOLLIN); }

int csystem_epoll_wait(int epoll, uint64_t *tokens, int limit, int milliseconds) {
  struct epoll_event events[64];
  int count = epoll_wait(epoll, events, limit < 64 ? limit : 64, milliseconds);
  if (count < 0) return errno == EINTR ? 0 : -1;
  for (int index = 0; index < count; index++) tokens[index] = events[index].data.u64;
  return count;
}

void csystem_eventfd_signal(int fd) {
  uint64_t one = 1;
  // Fails only when the counter is full, which wakes the reader just as well.
  ssize_t written = write(fd, &one, sizeof one);
  (void)written;
}

void csystem_eventfd_clear(int fd) {
  uint64_t count;
  ssize_t taken = read(fd, &count, sizeof count);
  (void)taken;
}

uint64_t csystem_raise_open_files(uint64_t wanted) {
  struct rlimit limit;
  if (getrlimit(RLIMIT_NOFILE, &limit) != 0) return 1024;
  if (limit.rlim_cur >= wanted) return limit.rlim_cur;
  rlim_t before = limit.rlim_cur;
  limit.rlim_cur = limit.rlim_max == RLIM_INFINITY || limit.rlim_max >= wanted ? (rlim_t)wanted : limit.rlim_max;
  return setrlimit(RLIMIT_NOFILE, &limit) == 0 ? limit.rlim_cur : before;
}

void csystem_http_date(char text[30]) {
  static const char *const days[] = {"Sun", "Mon", "Tue", "Wed", "Thu", "Fri", "Sat"};
  static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
  struct tm now;
  time_t seconds = time(NULL);
  gmtime_r(&seconds, &now);
  char wide[64];
  snprintf(
      wide, sizeof wide, "%s, %02d %s %04d %02d:%02d:%02d GMT", days[now.tm_wday], now.tm_mday, months[now.tm_mon],
      now.tm_year + 1900, now.tm_hour, now.tm_min, now.tm_sec);
  memcpy(text, wide, 29);
  text[29] = 0;
}
