// The floor of the HTTP benchmark: what libmicrohttpd itself can do. Epoll, a pool of two threads, 25 bytes of JSON or as many
// bytes as are asked for, no parsing, no logging, no headers but its own. Prints its port, then serves 127.0.0.1 until it is
// killed.
//
//     cc -O2 -o floor floor.c -lmicrohttpd
//     floor [BYTES]

#include <arpa/inet.h>
#include <microhttpd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const char body[] = "{\"message\":\"hello there\"}";
static struct MHD_Response *response;

static enum MHD_Result answer(void *context, struct MHD_Connection *connection, const char *url, const char *method,
                              const char *version, const char *upload, size_t *upload_size, void **state) {
  (void)context, (void)url, (void)method, (void)version, (void)upload, (void)upload_size;
  // The first call comes before the request is read to its end; an answer then would close the connection.
  if (*state == NULL) {
    *state = &response;
    return MHD_YES;
  }
  return MHD_queue_response(connection, MHD_HTTP_OK, response);
}

int main(int count, char **arguments) {
  struct sockaddr_in address;
  memset(&address, 0, sizeof address);
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);

  size_t size = count > 1 ? strtoul(arguments[1], NULL, 10) : sizeof body - 1;
  char *bytes = malloc(size);
  if (bytes == NULL) return 1;
  memset(bytes, ' ', size);
  memcpy(bytes, body, size < sizeof body - 1 ? size : sizeof body - 1);
  response = MHD_create_response_from_buffer(size, bytes, MHD_RESPMEM_PERSISTENT);
  MHD_add_response_header(response, "Content-Type", "application/json");
  struct MHD_Daemon *daemon =
      MHD_start_daemon(MHD_USE_EPOLL_INTERNAL_THREAD, 0, NULL, NULL, answer, NULL, MHD_OPTION_THREAD_POOL_SIZE, 2u,
                       MHD_OPTION_SOCK_ADDR, (struct sockaddr *)&address, MHD_OPTION_END);
  if (daemon == NULL) {
    fputs("floor: the server did not start\n", stderr);
    return 1;
  }
  printf("%d\n", (int)MHD_get_daemon_info(daemon, MHD_DAEMON_INFO_BIND_PORT)->port);
  fflush(stdout);
  for (;;) pause();
}
