#include "CMicrohttpd.h"

#include <microhttpd.h>
#include <string.h>

int cmhd_is_supported(void) { return MHD_VERSION == 0x00097500 && strcmp(MHD_get_version(), "0.9.75") == 0; }

const char *cmhd_version(void) { return MHD_get_version(); }

static enum MHD_Result on_accept(void *cls, const struct sockaddr *address, socklen_t length) {
  (void)address;
  (void)length;
  const struct cmhd_callbacks *callbacks = cls;
  return callbacks->accepts(callbacks->server) ? MHD_YES : MHD_NO;
}

static void on_connection(
    void *cls, struct MHD_Connection *connection, void **context, enum MHD_ConnectionNotificationCode code) {
  const struct cmhd_callbacks *callbacks = cls;
  if (code == MHD_CONNECTION_NOTIFY_CLOSED) {
    callbacks->disconnected(*context);
    return;
  }
  const union MHD_ConnectionInfo *fd = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CONNECTION_FD);
  const union MHD_ConnectionInfo *address = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_CLIENT_ADDRESS);
  *context = callbacks->connected(callbacks->server, connection, fd->connect_fd, address->client_addr);
}

static void *on_request_line(void *cls, const char *target, struct MHD_Connection *connection) {
  const struct cmhd_callbacks *callbacks = cls;
  void *context = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_SOCKET_CONTEXT)->socket_context;
  callbacks->request_line(context, target);
  return context;
}

static enum MHD_Result on_request(
    void *cls, struct MHD_Connection *connection, const char *url, const char *method, const char *version,
    const char *upload, size_t *size, void **context) {
  (void)connection;
  (void)url;
  const struct cmhd_callbacks *callbacks = cls;
  return callbacks->request(*context, method, version, upload, size) ? MHD_YES : MHD_NO;
}

static void on_completed(
    void *cls, struct MHD_Connection *connection, void **context, enum MHD_RequestTerminationCode code) {
  (void)connection;
  const struct cmhd_callbacks *callbacks = cls;
  callbacks->completed(*context, code == MHD_REQUEST_TERMINATED_COMPLETED_OK);
}

struct MHD_Daemon *cmhd_start(const struct cmhd_options *options, const struct cmhd_callbacks *callbacks) {
  void *cls = (void *)callbacks;
  // Without MHD_USE_ERROR_LOG the library is silent; with it, it prints a line for each client that leaves.
  return MHD_start_daemon(
      MHD_USE_EPOLL_INTERNAL_THREAD | MHD_ALLOW_SUSPEND_RESUME, 0, on_accept, cls, on_request, cls,
      MHD_OPTION_LISTEN_SOCKET, options->listen_descriptor,
      MHD_OPTION_THREAD_POOL_SIZE, options->threads,
      MHD_OPTION_CONNECTION_LIMIT, options->connection_limit,
      MHD_OPTION_PER_IP_CONNECTION_LIMIT, options->per_address_limit,
      MHD_OPTION_CONNECTION_MEMORY_LIMIT, options->connection_memory,
      MHD_OPTION_CONNECTION_TIMEOUT, options->idle_timeout_seconds,
      MHD_OPTION_NOTIFY_CONNECTION, on_connection, cls,
      MHD_OPTION_URI_LOG_CALLBACK, on_request_line, cls,
      MHD_OPTION_NOTIFY_COMPLETED, on_completed, cls,
      MHD_OPTION_END);
}

void cmhd_stop(struct MHD_Daemon *daemon) { MHD_stop_daemon(daemon); }
void cmhd_suspend(struct MHD_Connection *connection) { MHD_suspend_connection(connection); }
void cmhd_resume(struct MHD_Connection *connection) { MHD_resume_connection(connection); }

size_t cmhd_header_size(struct MHD_Connection *connection) {
  const union MHD_ConnectionInfo *info = MHD_get_connection_info(connection, MHD_CONNECTION_INFO_REQUEST_HEADER_SIZE);
  return info ? info->header_size : 0;
}

int cmhd_queue(struct MHD_Connection *connection, unsigned int status, struct MHD_Response *response) {
  return MHD_queue_response(connection, status, response) == MHD_YES;
}

struct MHD_Response *cmhd_response_copy(const void *bytes, size_t size) {
  return MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_MUST_COPY);
}

struct MHD_Response *cmhd_response_shared(const void *bytes, size_t size) {
  return MHD_create_response_from_buffer(size, (void *)bytes, MHD_RESPMEM_PERSISTENT);
}

struct MHD_Response *cmhd_response_file(int descriptor, uint64_t offset, uint64_t size) {
  return MHD_create_response_from_fd_at_offset64(size, descriptor, offset);
}

struct MHD_Response *cmhd_response_stream(
    void *context, ssize_t (*read)(void *context, uint64_t position, char *buffer, size_t size), void (*release)(void *context)) {
  return MHD_create_response_from_callback(MHD_SIZE_UNKNOWN, 4096, read, context, release);
}

int cmhd_response_header(struct MHD_Response *response, const char *name, const char *value) {
  return MHD_add_response_header(response, name, value) == MHD_YES;
}

void cmhd_response_release(struct MHD_Response *response) { MHD_destroy_response(response); }
const char *cmhd_reason_phrase(unsigned int status) { return MHD_get_reason_phrase_for(status); }
