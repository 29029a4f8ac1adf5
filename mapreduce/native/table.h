/* A hash table of keys and what was counted of them, and a sort of keys by their bytes.
 *
 * Keys of up to 16 bytes live in the table itself. It grows to a limit of bytes and then says that it is full.
 */

#ifndef TABLE_H
#define TABLE_H

#include "bytes.h"

/* ---- table: keys and what was counted of them ---- */

enum { TERMS = 0, DOCUMENTS = 1, LABELLED = 2, LEAST_MEMORY = 1 << 18, SORT = 30 };

typedef struct {
    uint64_t low, high; /* the bytes of a key of up to 16; of a longer one its first 8, and its place in the arena */
    uint32_t length;    /* plus 1; 0 is an empty slot */
    uint32_t tag;
    uint64_t tf;
} slot;

typedef struct {
    slot slot;
    uint32_t df, last, label, unused;
} wide_slot;

typedef struct {
    uint8_t *slots;
    size_t capacity, used, stride, limit;
    buffer arena;
    int full;
} table;

typedef struct {
    uint64_t low, high;
    const uint8_t *key; /* only read where length is above 16 */
    uint32_t length, tag;
} item;

/* The hash is keyed with random bits of the process (fm_start): nobody can write keys that fall on each other. What it
 * is shows nowhere, since a table is drained in the order of its keys. */
static uint64_t secret[4] = {0x9E3779B97F4A7C15u, 0xC2B2AE3D27D4EB4Fu, 0x165667B19E3779F9u, 0x27D4EB2F165667C5u};

static inline uint64_t mix_halves(uint64_t a, uint64_t b)
{
    const uint64_t half = UINT32_MAX;
    uint64_t low = (a & half) * (b & half), one = (a >> 32) * (b & half), other = (a & half) * (b >> 32);
    uint64_t middle = (low >> 32) + (one & half) + (other & half);
    uint64_t high = (a >> 32) * (b >> 32) + (one >> 32) + (other >> 32) + (middle >> 32);
    return (middle << 32 | (low & half)) ^ high;
}

/* The two halves of the product, folded. */
static inline uint64_t mix(uint64_t a, uint64_t b)
{
#if defined(__SIZEOF_INT128__)
    __extension__ typedef unsigned __int128 both;
    both product = (both)a * b;
    return (uint64_t)product ^ (uint64_t)(product >> 64);
#else
    return mix_halves(a, b);
#endif
}

/* A key with PAD readable bytes behind it. */
static inline void make_item(item *it, const uint8_t *key, uint32_t length, uint32_t label)
{
    static const uint8_t ones[2 * INLINE_KEY] = {255, 255, 255, 255, 255, 255, 255, 255,
                                                 255, 255, 255, 255, 255, 255, 255, 255};
    uint64_t rest = secret[2] ^ ((uint64_t)label << 32 | length), low, high;
    it->key = key;
    it->length = length;
    memcpy(&it->low, key, 8);
    if (LIKELY(length <= INLINE_KEY)) { /* without what stands behind it */
        memcpy(&it->high, key + 8, 8);
        memcpy(&low, ones + INLINE_KEY - length, 8);
        memcpy(&high, ones + INLINE_KEY - length + 8, 8);
        low = it->low &= low;
        high = it->high &= high;
    } else {
        for (uint32_t i = 0; i < length - INLINE_KEY; i += INLINE_KEY) {
            memcpy(&low, key + i, 8);
            memcpy(&high, key + i + 8, 8);
            rest = mix(low ^ secret[3], high ^ rest);
        }
        memcpy(&low, key + length - 16, 8);
        memcpy(&high, key + length - 8, 8);
        it->high = 0;
    }
    it->tag = (uint32_t)mix(mix(low ^ secret[0], high ^ secret[1]) ^ rest, secret[3]);
}

static slot *slot_at(const table *t, size_t index)
{
    return (slot *)(t->slots + index * t->stride);
}

/* Zeroed slots. A large table is looked up all over, so large pages are asked for where the system has them. */
static uint8_t *new_slots(size_t capacity, size_t stride)
{
    uint8_t *slots = calloc(capacity, stride);
#if defined(__linux__) && defined(MADV_HUGEPAGE)
    const size_t page = (size_t)1 << 21;
    size_t size = capacity * stride;
    if (slots && size >= 2 * page) {
        size_t skip = (page - ((uintptr_t)slots & (page - 1))) & (page - 1);
        madvise(slots + skip, (size - skip) & ~(page - 1), MADV_HUGEPAGE); /* advice: it may fail */
    }
#endif
    return slots;
}

static int table_init(table *t, size_t stride, size_t limit)
{
    memset(t, 0, sizeof *t);
    t->stride = stride;
    t->capacity = 1 << 11;
    t->limit = limit < LEAST_MEMORY ? LEAST_MEMORY : limit;
    t->slots = new_slots(t->capacity, stride);
    return t->slots ? 0 : NO_MEMORY;
}

static int table_clear(table *t)
{
    memset(t->slots, 0, t->capacity * t->stride);
    t->used = t->arena.size = 0;
    t->full = 0;
    return 0;
}

static void table_free(table *t)
{
    free(t->slots);
    free(t->arena.data);
}

/* Doubles the table; where that would take more than the limit, says instead that it is full, until it has to. */
static int table_grow(table *t)
{
    size_t capacity = t->capacity * 2;
    size_t beside = t->stride / 2 > SORT ? t->stride / 2 : SORT; /* the old table first, what sorts the new one later */
    if (capacity * (t->stride + beside) + t->arena.size > t->limit) {
        t->full = 1;
        if (t->used < t->capacity / 8 * 7)
            return 0;
    }
    if (capacity > (size_t)1 << 31)
        return NO_MEMORY;
    uint8_t *slots = new_slots(capacity, t->stride);
    if (!slots)
        return NO_MEMORY;
    for (size_t i = 0; i < t->capacity; i++) {
        slot *s = slot_at(t, i);
        if (!s->length)
            continue;
        size_t at = s->tag & (capacity - 1);
        while (((slot *)(slots + at * t->stride))->length)
            at = (at + 1) & (capacity - 1);
        memcpy(slots + at * t->stride, s, t->stride);
    }
    free(t->slots);
    t->slots = slots;
    t->capacity = capacity;
    return 0;
}

static inline slot *find(const table *t, const item *it, uint32_t label, int labelled)
{
    size_t mask = t->capacity - 1, at = it->tag & mask;
    for (;; at = (at + 1) & mask) {
        slot *s = slot_at(t, at);
        if (!s->length)
            return s;
        if (s->tag != it->tag || s->length != it->length + 1 || s->low != it->low)
            continue;
        if (labelled && ((wide_slot *)s)->label != label)
            continue;
        if (LIKELY(it->length <= INLINE_KEY) ? s->high == it->high
                                             : !memcmp(t->arena.data + s->high, it->key, it->length))
            return s;
    }
}

static int insert(table *t, slot *s, const item *it)
{
    s->low = it->low;
    s->high = it->high;
    s->length = it->length + 1;
    s->tag = it->tag;
    if (it->length > INLINE_KEY) {
        s->high = t->arena.size;
        if (append(&t->arena, it->key, it->length)) {
            s->length = 0;
            return NO_MEMORY;
        }
        if (t->capacity * (t->stride + SORT) + t->arena.size > t->limit)
            t->full = 1;
    }
    if (++t->used > t->capacity / 4 * 3)
        return table_grow(t);
    return 0;
}

static const uint8_t *key_bytes(const table *t, const slot *s)
{
    return s->length - 1 <= INLINE_KEY ? (const uint8_t *)&s->low : t->arena.data + s->high;
}

/* ---- sorting: keys by their bytes, in place ---- */

typedef struct {
    uint64_t prefix, second; /* 8 bytes of the key from some depth on, as a number, zeros behind its end; the 8 next */
    const uint8_t *key;
    uint32_t length, order; /* order: what decides between equal keys */
    uint32_t index;
} reference;

static uint64_t number_of(const uint8_t *eight)
{
    uint64_t number = 0;
    for (int i = 0; i < 8; i++) /* compilers make a load of it */
        number = number << 8 | eight[i];
    return number;
}

static uint64_t prefix_at(const uint8_t *key, uint32_t length, uint32_t depth)
{
    uint64_t prefix = 0;
    uint32_t n = length > depth ? length - depth : 0;
    if (n >= 8)
        return number_of(key + depth);
    for (uint32_t i = 0; i < 8; i++)
        prefix = prefix << 8 | (i < n ? key[depth + i] : 0);
    return prefix;
}

static int compare_bytes(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size)
{
    size_t both = a_size < b_size ? a_size : b_size;
    int c = both ? memcmp(a, b, both) : 0;
    return c ? c : (a_size > b_size) - (a_size < b_size);
}

static int is_after(const reference *a, const reference *b)
{
    if (a->prefix != b->prefix)
        return a->prefix > b->prefix;
    if (a->second != b->second)
        return a->second > b->second;
    if (a->length <= INLINE_KEY && b->length <= INLINE_KEY && a->length != b->length)
        return a->length > b->length; /* the keys themselves need not be looked at: they may be far away */
    int c = a->length <= INLINE_KEY && b->length <= INLINE_KEY ? 0 : compare_bytes(a->key, a->length, b->key, b->length);
    return c ? c > 0 : a->order > b->order;
}

static void insertion_sort(reference *r, size_t n)
{
    for (size_t i = 1; i < n; i++) {
        reference x = r[i];
        size_t j = i;
        for (; j && is_after(&r[j - 1], &x); j--)
            r[j] = r[j - 1];
        r[j] = x;
    }
}

/* Radix sort from the first byte on, in place. The largest bucket is done by the loop, so recursion is at most log2(n)
 * deep whatever the keys are. `depth` is where the prefixes were taken, `shift` the byte of them that is looked at.
 * Keys that are equal but for zeros at their ends are sorted by length and order, which are their prefix then. */
static void radix_sort(reference *r, size_t n, uint32_t depth, int shift)
{
    const uint32_t at_end = UINT32_MAX;
    while (n > 32) {
        if (shift < 0) {
            uint32_t longest = 0;
            if (depth == at_end)
                return;
            depth += 8;
            for (size_t i = 0; i < n; i++)
                if (r[i].length > longest)
                    longest = r[i].length;
            if (longest <= depth)
                depth = at_end;
            for (size_t i = 0; i < n; i++) {
                r[i].prefix = depth == at_end ? (uint64_t)r[i].length << 32 | r[i].order : r[i].second;
                r[i].second = r[i].length > depth + 8 && depth != at_end ? prefix_at(r[i].key, r[i].length, depth + 8) : 0;
            }
            shift = 56;
        }
        unsigned least = 255, most = 0; /* of the bytes that are there: few of the 256 in most texts */
        for (size_t i = 0; i < n; i++) {
            unsigned byte = r[i].prefix >> shift & 255;
            least = byte < least ? byte : least;
            most = byte > most ? byte : most;
        }
        if (least == most) {
            shift -= 8;
            continue;
        }
        size_t begin[257], next[256], sum = 0;
        unsigned largest = least;
        for (unsigned b = least; b <= most; b++)
            next[b] = 0;
        for (size_t i = 0; i < n; i++)
            next[r[i].prefix >> shift & 255]++;
        for (unsigned b = least; b <= most; b++) {
            largest = next[b] > next[largest] ? b : largest;
            begin[b] = sum;
            sum += next[b];
        }
        begin[most + 1] = sum;
        size_t left = next[largest];
        for (unsigned b = least; b <= most; b++)
            next[b] = begin[b];
        for (unsigned b = least; b <= most; b++)
            while (next[b] < begin[b + 1]) {
                reference x = r[next[b]];
                for (;;) {
                    unsigned to = x.prefix >> shift & 255;
                    if (to == b)
                        break;
                    reference y = r[next[to]];
                    r[next[to]++] = x;
                    x = y;
                }
                r[next[b]++] = x;
            }
        for (unsigned b = least; b <= most; b++)
            if (b != largest && begin[b + 1] - begin[b] > 1)
                radix_sort(r + begin[b], begin[b + 1] - begin[b], depth, shift - 8);
        r += begin[largest];
        n = left;
        shift -= 8;
    }
    insertion_sort(r, n);
}

#endif
