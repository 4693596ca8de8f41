#pragma once

// libcurl behind plain functions: its own calls are variadic or take C enums, which Swift cannot see or sees as closed.
// A multi handle and an easy handle are opaque pointers here. Functions that can fail return libcurl's code, 0 for success.

#include <stddef.h>
#include <stdint.h>

/// Once per process, before anything else here. Thread-safe through libcurl's own lock (7.84 and later).
int ccurl_global_init(void);

// The multi handle: everything but ccurl_multi_wakeup belongs to one thread.
/// At most so many connections to a host at a time, and as many kept open.
void *ccurl_multi_new(long connections_per_host);
void ccurl_multi_free(void *multi);
int ccurl_multi_add(void *multi, void *easy);
void ccurl_multi_remove(void *multi, void *easy);
/// Moves every transfer on as far as it goes without waiting.
int ccurl_multi_perform(void *multi);
/// Waits for sockets, libcurl's own timers, a wake-up or the time-out.
int ccurl_multi_poll(void *multi, int timeout_ms);
/// From any thread, as long as the multi handle lives. A wake-up before the wait makes the next wait return at once.
int ccurl_multi_wakeup(void *multi);
/// The next finished transfer and its result, or NULL.
void *ccurl_multi_next_finished(void *multi, int *result);

// An easy handle: one transfer at a time.
void *ccurl_easy_new(void);
void ccurl_easy_free(void *easy);

/// Given up to `length` bytes; takes all of them or returns another number, which ends the transfer.
typedef size_t (*ccurl_sink)(char *bytes, size_t size, size_t count, void *context);

/// Given the 4 or 16 bytes of the address that a connection is about to be made to; 0 refuses it.
typedef struct {
  int (*lets_through)(const uint8_t *address, size_t count, void *context);
  void *context;
} ccurl_gate;

typedef struct {
  const char *url;
  const char *method;
  const char *user_agent;
  /// Made by ccurl_headers_append; must live until the transfer ends.
  void *headers;
  /// NULL sends no body and no Content-Length. Copied.
  const void *body;
  size_t body_length;
  long timeout_ms;
  long connect_timeout_ms;
  /// Where the URL's name leads, as a list of one line `+name:port:address,…`; libcurl then never looks for a name by itself. NULL
  /// leaves that to libcurl. Must live until the transfer ends.
  void *addresses;
  /// 1: never an idle connection, whose loss would make libcurl send the request a second time.
  int fresh_connection;
  ccurl_sink on_header;
  ccurl_sink on_body;
  /// NULL lets every address through. Asked for each connection that is opened, after names were resolved; must live until
  /// the transfer ends.
  const ccurl_gate *gate;
  void *context;
} ccurl_request;

/// Resets the handle and fills it in.
int ccurl_easy_prepare(void *easy, const ccurl_request *request);
/// What ccurl_request.context was.
void *ccurl_easy_context(void *easy);
/// 0 when no status line came.
long ccurl_easy_status(void *easy);
/// Bytes of the request, head and body, that were handed to the connection; 0 means that the server saw nothing.
long ccurl_easy_bytes_sent(void *easy);
int64_t ccurl_easy_duration_us(void *easy);
const char *ccurl_error_text(int result);

/// The host of a URL as libcurl reads it, brackets and all, and its port; 0 when it reads none, or one longer than `size`.
int ccurl_url_host(const char *url, char *host, size_t size, unsigned *port);
/// Whether a host is an address and needs no look-up.
int ccurl_is_address(const char *host);

/// A list grown by one line; NULL when memory is out, and then the list given is still there.
void *ccurl_headers_append(void *list, const char *line);
void ccurl_headers_free(void *list);

// The results that are told apart.
extern const int CCURL_OK;
extern const int CCURL_OPERATION_TIMEDOUT;
