/* Encoding: documents to shard lines, `hash TAB label TAB base64` of the ids of their features.
 *
 * Twin of mapreduce/features/encoding.py.
 */

#ifndef ENCODE_H
#define ENCODE_H

#include "bytes.h"
#include "count.h"

/* ---- encoding: documents to shard lines ---- */

/* Gives a feature its number, for fm_encode. */
API int64_t fm_counter_id(counter *c, const uint8_t *key, uint64_t size, uint64_t id)
{
    item it;
    c->scratch.size = 0;
    if (size > LONGEST_DOCUMENT)
        return UNSUPPORTED;
    if (append(&c->scratch, key, (size_t)size))
        return NO_MEMORY;
    make_item(&it, c->scratch.data, (uint32_t)size, 0);
    slot *s = find(&c->table, &it, 0, 0);
    int is_new = !s->length;
    s->tf = id;
    return is_new ? insert(&c->table, s, &it) : 0;
}

/* The same for many, that stand one behind the other: `first` and the numbers behind it. */
API int64_t fm_counter_ids(counter *c, const uint8_t *keys, const uint64_t *sizes, uint64_t count, uint64_t first)
{
    for (uint64_t i = 0; i < count; i++) {
        int64_t error = fm_counter_id(c, keys, sizes[i], first + i);
        if (error < 0)
            return error;
        keys += sizes[i];
    }
    return 0;
}

static uint64_t rotate(uint64_t x, int n)
{
    return x >> n | x << (64 - n);
}

#define MIX(a, b, c, d, x, y)            \
    v[a] += v[b] + (x);                  \
    v[d] = rotate(v[d] ^ v[a], 32);      \
    v[c] += v[d];                        \
    v[b] = rotate(v[b] ^ v[c], 24);      \
    v[a] += v[b] + (y);                  \
    v[d] = rotate(v[d] ^ v[a], 16);      \
    v[c] += v[d];                        \
    v[b] = rotate(v[b] ^ v[c], 63);

enum { LONGEST_SALT = 64 };

/* BLAKE2b (RFC 7693) with a digest of 8 bytes; a key has at most LONGEST_SALT. */
static uint64_t blake2b_8(const uint8_t *data, size_t size, const uint8_t *key, size_t key_size)
{
    static const uint64_t iv[8] = {0x6A09E667F3BCC908u, 0xBB67AE8584CAA73Bu, 0x3C6EF372FE94F82Bu, 0xA54FF53A5F1D36F1u,
                                   0x510E527FADE682D1u, 0x9B05688C2B3E6C1Fu, 0x1F83D9ABFB41BD6Bu, 0x5BE0CD19137E2179u};
    static const uint8_t sigma[10][16] = {
        {0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15}, {14, 10, 4, 8, 9, 15, 13, 6, 1, 12, 0, 2, 11, 7, 5, 3},
        {11, 8, 12, 0, 5, 2, 15, 13, 10, 14, 3, 6, 7, 1, 9, 4}, {7, 9, 3, 1, 13, 12, 11, 14, 2, 6, 5, 10, 4, 0, 15, 8},
        {9, 0, 5, 7, 2, 4, 10, 15, 14, 1, 11, 12, 6, 8, 3, 13}, {2, 12, 6, 10, 0, 11, 8, 3, 4, 13, 7, 5, 15, 14, 1, 9},
        {12, 5, 1, 15, 14, 13, 4, 10, 0, 7, 6, 3, 9, 2, 8, 11}, {13, 11, 7, 14, 12, 1, 3, 9, 5, 0, 15, 4, 8, 6, 2, 10},
        {6, 15, 14, 9, 11, 3, 0, 8, 12, 2, 13, 7, 1, 4, 10, 5}, {10, 2, 8, 4, 7, 6, 1, 5, 15, 11, 9, 14, 3, 12, 13, 0}};
    uint64_t h[8], done = 0;
    int with_key = key_size > 0;
    memcpy(h, iv, sizeof h);
    h[0] ^= 0x01010008u ^ (uint64_t)key_size << 8;
    for (int last = 0; !last;) {
        uint8_t padded[128];
        const uint8_t *block = padded;
        if (with_key) {
            memset(padded, 0, sizeof padded);
            memcpy(padded, key, key_size);
            done += 128;
            with_key = 0;
            last = size == 0;
        } else {
            size_t n = size < 128 ? size : 128;
            if (n == 128) {
                block = data;
            } else {
                memset(padded, 0, sizeof padded);
                if (n)
                    memcpy(padded, data, n);
            }
            data += n;
            size -= n;
            done += n;
            last = size == 0;
        }
        uint64_t m[16], v[16];
        for (int i = 0; i < 16; i++) {
            m[i] = 0;
            for (int k = 7; k >= 0; k--) /* little-endian; compilers make a load of it */
                m[i] = m[i] << 8 | block[8 * i + k];
        }
        memcpy(v, h, sizeof h);
        memcpy(v + 8, iv, sizeof iv);
        v[12] ^= done;
        if (last)
            v[14] = ~v[14];
        for (int round = 0; round < 12; round++) {
            const uint8_t *s = sigma[round % 10];
            MIX(0, 4, 8, 12, m[s[0]], m[s[1]])
            MIX(1, 5, 9, 13, m[s[2]], m[s[3]])
            MIX(2, 6, 10, 14, m[s[4]], m[s[5]])
            MIX(3, 7, 11, 15, m[s[6]], m[s[7]])
            MIX(0, 5, 10, 15, m[s[8]], m[s[9]])
            MIX(1, 6, 11, 12, m[s[10]], m[s[11]])
            MIX(2, 7, 8, 13, m[s[12]], m[s[13]])
            MIX(3, 4, 9, 14, m[s[14]], m[s[15]])
        }
        for (int i = 0; i < 8; i++)
            h[i] ^= v[i] ^ v[i + 8];
    }
    return h[0];
}

static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
static uint8_t pairs[4096][2]; /* two digits for 12 bits; fm_start fills them */

static void make_pairs(void)
{
    for (int i = 0; i < 4096; i++) {
        pairs[i][0] = (uint8_t)digits[i >> 6];
        pairs[i][1] = (uint8_t)digits[i & 63];
    }
}

static int put_base64(buffer *out, const uint8_t *data, size_t size)
{
    if (reserve(out, size / 3 * 4 + 8))
        return NO_MEMORY;
    uint8_t *p = out->data + out->size;
    size_t i = 0;
    for (; i + 3 <= size; i += 3) {
        uint32_t x = (uint32_t)data[i] << 16 | (uint32_t)data[i + 1] << 8 | data[i + 2];
        memcpy(p, pairs[x >> 12], 2);
        memcpy(p + 2, pairs[x & 4095], 2);
        p += 4;
    }
    if (i < size) {
        uint32_t x = (uint32_t)data[i] << 16 | (i + 1 < size ? (uint32_t)data[i + 1] << 8 : 0);
        *p++ = (uint8_t)digits[x >> 18];
        *p++ = (uint8_t)digits[x >> 12 & 63];
        *p++ = i + 1 < size ? (uint8_t)digits[x >> 6 & 63] : '=';
        *p++ = '=';
    }
    out->size = (size_t)(p - out->data);
    return 0;
}

/* Lines `hash TAB label TAB base64` of documents and labels that stand one behind the other; the hash is of the
 * document, or of `hashed` where that is given (its sizes behind those of the documents). */
API int64_t fm_encode(counter *c, const uint8_t *data, const uint64_t *sizes, const uint8_t *hashed,
                      const uint64_t *hashed_sizes, const uint8_t *labels, const uint64_t *label_sizes, uint64_t count,
                      const uint8_t *key, uint64_t key_size, const uint8_t **to)
{
    buffer *out = &c->out;
    out->size = 0;
    if (key_size > LONGEST_SALT)
        return UNSUPPORTED;
    for (uint64_t i = 0; i < count; i++) {
        size_t size = (size_t)sizes[i], hashed_size = (size_t)hashed_sizes[i], label_size = (size_t)label_sizes[i];
        uint64_t hash = blake2b_8(hashed, hashed_size, key, (size_t)key_size);
        c->ids.size = 0;
        int error = features(c, data, size, look_up_batch);
        if (error)
            return error;
        if (reserve(out, label_size + 32))
            return NO_MEMORY;
        uint8_t *p = out->data + out->size;
        for (int k = 0; k < 16; k++) /* the digest is little-endian */
            p[k] = (uint8_t)"0123456789abcdef"[hash >> (k / 2 * 8 + (k % 2 ? 0 : 4)) & 15];
        p[16] = '\t';
        memcpy(p + 17, labels, label_size);
        p[17 + label_size] = '\t';
        out->size += 18 + label_size;
        if (put_base64(out, c->ids.data, c->ids.size) || append(out, "\n", 1))
            return NO_MEMORY;
        data += size;
        hashed += hashed_size;
        labels += label_size;
    }
    *to = out->data;
    return (int64_t)out->size;
}

#endif
