#include "CCurl.h"

#include <arpa/inet.h>
#include <curl/curl.h>
#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

const int CCURL_OK = CURLE_OK;
const int CCURL_OPERATION_TIMEDOUT = CURLE_OPERATION_TIMEDOUT;

int ccurl_global_init(void) { return curl_global_init(CURL_GLOBAL_DEFAULT); }

void *ccurl_multi_new(long connections_per_host) {
  CURLM *multi = curl_multi_init();
  if (!multi) return NULL;
  curl_multi_setopt(multi, CURLMOPT_MAX_HOST_CONNECTIONS, connections_per_host);
  curl_multi_setopt(multi, CURLMOPT_MAXCONNECTS, connections_per_host);
  return multi;
}

void ccurl_multi_free(void *multi) { curl_multi_cleanup(multi); }
int ccurl_multi_add(void *multi, void *easy) { return curl_multi_add_handle(multi, easy); }
void ccurl_multi_remove(void *multi, void *easy) { curl_multi_remove_handle(multi, easy); }

int ccurl_multi_perform(void *multi) {
  int running;
  return curl_multi_perform(multi, &running);
}

int ccurl_multi_poll(void *multi, int timeout_ms) { return curl_multi_poll(multi, NULL, 0, timeout_ms, NULL); }
int ccurl_multi_wakeup(void *multi) { return curl_multi_wakeup(multi); }

void *ccurl_multi_next_finished(void *multi, int *result) {
  CURLMsg *message;
  int left;
  while ((message = curl_multi_info_read(multi, &left))) {
    if (message->msg == CURLMSG_DONE) {
      *result = message->data.result;
      return message->easy_handle;
    }
  }
  return NULL;
}

void *ccurl_easy_new(void) { return curl_easy_init(); }
void ccurl_easy_free(void *easy) { curl_easy_cleanup(easy); }

// Opens the socket of a connection, unless the gate refuses where it leads.
static curl_socket_t open_gated(void *context, curlsocktype purpose, struct curl_sockaddr *address) {
  (void)purpose;
  const ccurl_gate *gate = context;
  const uint8_t *bytes;
  size_t count;
  if (address->family == AF_INET) {
    bytes = (const uint8_t *)&((const struct sockaddr_in *)&address->addr)->sin_addr;
    count = 4;
  } else if (address->family == AF_INET6) {
    bytes = (const uint8_t *)&((const struct sockaddr_in6 *)&address->addr)->sin6_addr;
    count = 16;
  } else {
    return CURL_SOCKET_BAD;
  }
  if (!gate->lets_through(bytes, count, gate->context)) return CURL_SOCKET_BAD;
  return socket(address->family, address->socktype | SOCK_CLOEXEC, address->protocol);
}

// Called when libcurl is about to look for a name, which has a thread that all transfers may have to wait for.
static int refuse_lookup(void *resolver, void *reserved, void *context) {
  (void)resolver, (void)reserved, (void)context;
  return 1;
}

/// Keeps the first failure, so that one check at the end covers every option.
#define SET(option, value)                                        \
  do {                                                            \
    CURLcode code = curl_easy_setopt(easy, option, value);        \
    if (!result && code) result = code;                           \
  } while (0)

int ccurl_easy_prepare(void *easy, const ccurl_request *request) {
  CURLcode result = CURLE_OK;
  curl_easy_reset(easy);

  SET(CURLOPT_URL, request->url);
  SET(CURLOPT_PROTOCOLS_STR, "http,https");
  // HTTP/1.1 and no more: calls are few, and whether a request left us is a plain question there.
  SET(CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_1_1);
  SET(CURLOPT_USERAGENT, request->user_agent);
  SET(CURLOPT_HTTPHEADER, (struct curl_slist *)request->headers);
  // What libcurl can unpack; the sink counts unpacked bytes, so a bomb meets the same limit.
  SET(CURLOPT_ACCEPT_ENCODING, "gzip, deflate");

  if (request->body) {
    SET(CURLOPT_POST, 1L);
    SET(CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)request->body_length);
    SET(CURLOPT_COPYPOSTFIELDS, request->body);
  } else {
    SET(CURLOPT_HTTPGET, 1L);
  }
  SET(CURLOPT_CUSTOMREQUEST, request->method);
  SET(CURLOPT_FRESH_CONNECT, (long)request->fresh_connection);

  SET(CURLOPT_TIMEOUT_MS, request->timeout_ms);
  SET(CURLOPT_CONNECTTIMEOUT_MS, request->connect_timeout_ms);
  SET(CURLOPT_NOSIGNAL, 1L);
  SET(CURLOPT_TCP_NODELAY, 1L);

  // Where a request goes is decided by its URL alone: no redirects, no proxy or .netrc from the surroundings.
  SET(CURLOPT_FOLLOWLOCATION, 0L);
  SET(CURLOPT_PROXY, "");
  SET(CURLOPT_NETRC, (long)CURL_NETRC_IGNORED);
  SET(CURLOPT_SSL_VERIFYPEER, 1L);
  SET(CURLOPT_SSL_VERIFYHOST, 2L);
  SET(CURLOPT_SSLVERSION, (long)CURL_SSLVERSION_TLSv1_2);

  if (request->gate) {
    SET(CURLOPT_OPENSOCKETFUNCTION, open_gated);
    SET(CURLOPT_OPENSOCKETDATA, (void *)request->gate);
  }

  if (request->addresses) {
    SET(CURLOPT_RESOLVE, (struct curl_slist *)request->addresses);
    // Longer than any transfer: one that waits for a connection still has its addresses then. The next one brings its own.
    SET(CURLOPT_DNS_CACHE_TIMEOUT, 3600L);
    SET(CURLOPT_RESOLVER_START_FUNCTION, refuse_lookup);
  }

  SET(CURLOPT_HEADERFUNCTION, request->on_header);
  SET(CURLOPT_HEADERDATA, request->context);
  SET(CURLOPT_WRITEFUNCTION, request->on_body);
  SET(CURLOPT_WRITEDATA, request->context);
  SET(CURLOPT_PRIVATE, request->context);
  return result;
}

void *ccurl_easy_context(void *easy) {
  char *context = NULL;
  curl_easy_getinfo(easy, CURLINFO_PRIVATE, &context);
  return context;
}

long ccurl_easy_status(void *easy) {
  long status = 0;
  curl_easy_getinfo(easy, CURLINFO_RESPONSE_CODE, &status);
  return status;
}

long ccurl_easy_bytes_sent(void *easy) {
  long bytes = 0;
  curl_easy_getinfo(easy, CURLINFO_REQUEST_SIZE, &bytes);
  return bytes;
}

int64_t ccurl_easy_duration_us(void *easy) {
  curl_off_t duration = 0;
  curl_easy_getinfo(easy, CURLINFO_TOTAL_TIME_T, &duration);
  return duration;
}

const char *ccurl_error_text(int result) { return curl_easy_strerror((CURLcode)result); }

int ccurl_url_host(const char *text, char *host, size_t size, unsigned *port) {
  CURLU *url = curl_url();
  char *name = NULL, *number = NULL;
  int is_read = url && !curl_url_set(url, CURLUPART_URL, text, 0) && !curl_url_get(url, CURLUPART_HOST, &name, 0) &&
                !curl_url_get(url, CURLUPART_PORT, &number, CURLU_DEFAULT_PORT) && strlen(name) < size;
  if (is_read) {
    strcpy(host, name);
    *port = (unsigned)strtoul(number, NULL, 10);
  }
  curl_free(name);
  curl_free(number);
  curl_url_cleanup(url);
  return is_read;
}

int ccurl_is_address(const char *host) {
  struct in_addr address;
  return host[0] == '[' || inet_pton(AF_INET, host, &address) == 1;
}

void *ccurl_headers_append(void *list, const char *line) { return curl_slist_append(list, line); }
void ccurl_headers_free(void *list) { curl_slist_free_all(list); }
