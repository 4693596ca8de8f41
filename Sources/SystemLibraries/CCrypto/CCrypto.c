#include "CCrypto.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>

void *ccrypto_sha256_start(void) {
  EVP_MD_CTX *context = EVP_MD_CTX_new();
  if (context) EVP_DigestInit_ex(context, EVP_sha256(), NULL);
  return context;
}

void ccrypto_sha256_update(void *context, const void *bytes, size_t count) {
  EVP_DigestUpdate(context, bytes, count);
}

void ccrypto_sha256_finish(void *context, uint8_t *digest) {
  EVP_DigestFinal_ex(context, digest, NULL);
  EVP_MD_CTX_free(context);
}

void ccrypto_sha256_free(void *context) { EVP_MD_CTX_free(context); }

int ccrypto_hmac_sha256(const uint8_t *key, size_t key_length, const uint8_t *data, size_t length, uint8_t *out) {
  unsigned int count = 0;
  return HMAC(EVP_sha256(), key, (int)key_length, data, length, out, &count) != NULL && count == 32;
}

int ccrypto_equal(const void *left, const void *right, size_t count) {
  return CRYPTO_memcmp(left, right, count) == 0;
}
