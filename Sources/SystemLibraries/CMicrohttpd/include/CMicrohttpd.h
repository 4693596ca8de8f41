#pragma once

// libmicrohttpd behind integers and opaque pointers. <microhttpd.h> stays out of this header: its enums import into Swift
// as closed enums under other names, and its variadic calls do not import at all.

#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>
#include <sys/types.h>

struct MHD_Daemon;
struct MHD_Connection;
struct MHD_Response;

/// What the library calls, always on one of its own threads, and for one connection always on the same one.
struct cmhd_callbacks {
  /// Handed to `connected`; kept by the caller until cmhd_stop returns.
  void *server;
  /// Whether a connection that was just made may stay; 0 closes it at once.
  int (*accepts)(void *server);
  /// A connection was accepted. The result is the context of every later call for it.
  void *(*connected)(void *server, struct MHD_Connection *connection, int descriptor, const struct sockaddr *address);
  /// The connection is over; its descriptor is closed after this returns.
  void (*disconnected)(void *context);
  /// A request line arrived: `target` as it came, before the library cuts it up in place.
  void (*request_line)(void *context, const char *target);
  /// Called first when the headers are complete, then for each piece of the body, last when the request is complete
  /// (and again after a resume). `*size` is the length of `upload`, and on return what was left of it. 0 cuts the connection.
  int (*request)(void *context, const char *method, const char *version, const char *upload, size_t *size);
  /// The request ended: everything sent (1) or cut off (0). Pairs with `request_line`.
  void (*completed)(void *context, int whole);
};

struct cmhd_options {
  int listen_descriptor;
  unsigned int threads;
  unsigned int connection_limit;
  /// 0: none.
  unsigned int per_address_limit;
  size_t connection_memory;
  unsigned int idle_timeout_seconds;
};

/// Whether the library that was loaded is the one whose treatment of request memory this code relies on.
int cmhd_is_supported(void);
const char *cmhd_version(void);

/// NULL when the daemon could not start (threads, descriptors); else the listening descriptor is its own. `callbacks` must
/// outlive the daemon.
struct MHD_Daemon *cmhd_start(const struct cmhd_options *options, const struct cmhd_callbacks *callbacks);
/// Closes every connection and the listening descriptor, and joins the threads. A suspended connection here aborts the process.
///
/// There is no way here to MHD_quiesce_daemon: with a pool of threads it and the pool race for taking the listening descriptor
/// out of the pool's epoll set, and whoever comes second aborts the process (0.9.75, daemon.c:5531).
void cmhd_stop(struct MHD_Daemon *daemon);

/// Only on the connection's thread, inside a callback.
void cmhd_suspend(struct MHD_Connection *connection);
/// From any thread, once per suspend.
void cmhd_resume(struct MHD_Connection *connection);
/// The length of request line and headers as they arrived, or 0 while they are not complete.
size_t cmhd_header_size(struct MHD_Connection *connection);
int cmhd_queue(struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response);

/// Results of a stream reader besides a count of bytes. 0 is allowed only after cmhd_suspend.
#define CMHD_STREAM_END (-1)
#define CMHD_STREAM_ERROR (-2)

/// Each NULL when memory ran out. A response is released once by its maker and once by each connection it was queued on.
struct MHD_Response *cmhd_response_copy(const void *bytes, size_t size);
/// `bytes` must outlive the response.
struct MHD_Response *cmhd_response_shared(const void *bytes, size_t size);
/// Takes the descriptor when it succeeds.
struct MHD_Response *cmhd_response_file(int descriptor, uint64_t offset, uint64_t size);
struct MHD_Response *cmhd_response_stream(
    void *context, ssize_t (*read)(void *context, uint64_t position, char *buffer, size_t size), void (*release)(void *context));
/// 0 when the library refuses the field (empty value, line break, a field that it sets itself).
int cmhd_response_header(struct MHD_Response *response, const char *name, const char *value);
void cmhd_response_release(struct MHD_Response *response);
const char *cmhd_reason_phrase(unsigned int status);
