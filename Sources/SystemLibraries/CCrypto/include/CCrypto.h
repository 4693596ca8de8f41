#pragma once

// SHA-256 from the system's libcrypto, which libcurl loads anyway.

#include <stddef.h>
#include <stdint.h>

/// A running SHA-256. Freed by ccrypto_sha256_finish or ccrypto_sha256_free. NULL when memory is short.
void *ccrypto_sha256_start(void);
void ccrypto_sha256_update(void *context, const void *bytes, size_t count);
/// Writes the 32 bytes of the digest and frees the context.
void ccrypto_sha256_finish(void *context, uint8_t *digest);
void ccrypto_sha256_free(void *context);
/// HMAC-SHA256 (RFC 2104) into 32 bytes; 1 on success.
int ccrypto_hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t *out);
/// 1 when both are equal; takes the same time wherever they differ.
int ccrypto_equal(const void *left, const void *right, size_t count);
