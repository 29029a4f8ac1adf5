/* The native twin of the counting, encoding, spilling and merging that the Python modules of this folder do.
 *
 * It knows byte-level specifications, lines `key TAB value` and integers behind a key. It knows no input format, no
 * runner and no Python: `native.py` calls it through ctypes, and every function here has a twin in Python that
 * property tests hold it equal to. Portable C11; 16-byte instructions are used where the compiler or, at run time,
 * the processor has them, with a scalar twin for each.
 *
 * In order: buffers, tokenizer, table of counts, sorting, counting, encoding, groups of equal keys, spill, merge.
 * Functions return a negative number on failure: one of the three below, or minus an errno.
 */

#if defined(__linux__)
#define _DEFAULT_SOURCE /* madvise */
#include <sys/mman.h>
#endif
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#if defined(__SSE2__)
#include <emmintrin.h>
#define HAVE_SSE2 1
#endif
#if HAVE_SSE2 && defined(__GNUC__) && defined(__x86_64__)
#include <tmmintrin.h>
#define HAVE_SSSE3 1
#endif
#if defined(_WIN32)
#define API __declspec(dllexport)
#elif defined(__GNUC__)
#define API __attribute__((visibility("default")))
#else
#define API
#endif
#if defined(__GNUC__)
#define PREFETCH(p) __builtin_prefetch(p)
#define LIKELY(x) __builtin_expect(!!(x), 1)
#else
#define PREFETCH(p) ((void)(p))
#define LIKELY(x) (x)
#endif

enum { VERSION = 1, NO_MEMORY = -100001, UNSUPPORTED = -100002 };
enum { PAD = 64, CHUNK = 1 << 14, BATCH = 64, INLINE_KEY = 16, PIECE = 1 << 20, COLUMNS = 8 };
#define LONGEST_DOCUMENT ((uint64_t)1 << 30)

static int use_simd = 1;

/* ---- buffers: growing bytes with PAD bytes behind them that may be read and overwritten ---- */

typedef struct {
    uint8_t *data;
    size_t size, capacity;
} buffer;

static int reserve(buffer *b, size_t more)
{
    size_t need = b->size + more + PAD;
    if (LIKELY(need <= b->capacity))
        return 0;
    size_t capacity = b->capacity + b->capacity / 2 < need ? need : b->capacity + b->capacity / 2;
    uint8_t *data = realloc(b->data, capacity);
    if (!data)
        return NO_MEMORY;
    b->data = data;
    b->capacity = capacity;
    return 0;
}

static int append(buffer *b, const void *data, size_t size)
{
    if (reserve(b, size))
        return NO_MEMORY;
    if (size)
        memcpy(b->data + b->size, data, size);
    b->size += size;
    return 0;
}

/* Space for 21 bytes is there. */
static size_t put_number(uint8_t *to, int64_t value)
{
    uint8_t digits[20];
    size_t n = 0, size = 0;
    uint64_t left = value < 0 ? 0 - (uint64_t)value : (uint64_t)value;
    if (value < 0)
        to[size++] = '-';
    do
        digits[n++] = (uint8_t)('0' + left % 10);
    while (left /= 10);
    while (n)
        to[size++] = digits[--n];
    return size;
}

/* ---- looking at bytes: line ends, UTF-8 ---- */

/* The size of the character that n >= 1 bytes begin with, 0 if it is none (Unicode 15, table 3-7). */
static size_t character(const uint8_t *p, size_t n)
{
    uint8_t first = p[0], least = 0x80, most = 0xBF;
    size_t size = first < 0x80 ? 1 : first < 0xC2 ? 0 : first < 0xE0 ? 2 : first < 0xF0 ? 3 : first < 0xF5 ? 4 : 0;
    if (size < 2 || size > n)
        return size > n ? 0 : size;
    if (first == 0xE0)
        least = 0xA0; /* shorter forms are no characters, */
    else if (first == 0xED)
        most = 0x9F; /* nor are surrogates, */
    else if (first == 0xF0)
        least = 0x90;
    else if (first == 0xF4)
        most = 0x8F; /* nor what is above U+10FFFF */
    if (p[1] < least || p[1] > most)
        return 0;
    for (size_t i = 2; i < size; i++)
        if (p[i] >> 6 != 2)
            return 0;
    return size;
}

/* The number of line ends, or where the bytes are not UTF-8 its complement. */
API int64_t fm_scan(const uint8_t *data, uint64_t n)
{
    int64_t lines = 0;
    for (uint64_t i = 0; i < n;) { /* in pieces, whose sum of up to 255 fits a byte: compilers know how to do that */
        uint64_t end = n - i < 255 ? n : i + 255;
        uint8_t found = 0;
        for (; i < end; i++)
            found = (uint8_t)(found + (data[i] == '\n'));
        lines += found;
    }
    for (uint64_t i = 0; i < n;) {
        uint64_t eight = 0;
        if (n - i >= 8)
            memcpy(&eight, data + i, 8);
        if (n - i >= 8 && !(eight & 0x8080808080808080u)) {
            i += 8;
            continue;
        }
        size_t size = character(data + i, (size_t)(n - i));
        if (!size)
            return ~lines;
        i += size;
    }
    return lines;
}

/* ---- tokenizer: the character table, words and features ---- */

typedef struct {
    uint8_t one[256], keep[256], longer[256]; /* the single byte; 0 where deleted; 1 where the text is needed */
    uint32_t offsets[257];
    uint8_t *text;
    uint32_t longest;
    int identity, deletes, expands;
    int characters; /* every character is a word */
    uint32_t *ngrams, *character_ngrams;
    uint32_t ngram_count, character_ngram_count, head;
    int words_only;
    /* for 16 bytes at a time: members of a set by their low and high half, changed bytes by rows of 16 */
    uint8_t delete_low[16], delete_high[16], longer_low[16], longer_high[16];
    uint8_t change[8][16], changed_rows[8];
    int rows;
    uint8_t compact[256][8], left[256]; /* by the 8 bits of what is deleted: the places and number of what is left */
    int ssse3;
    uint8_t ends_word[256]; /* the text ends with white space */
} tokenizer;

static int is_space(uint8_t b)
{
    return b == 32 || (uint8_t)(b - 9) < 5;
}

static uint32_t *copy_numbers(const uint32_t *from, uint32_t count)
{
    uint32_t *to = malloc((count + 1) * sizeof *to);
    if (to && count)
        memcpy(to, from, count * sizeof *to);
    return to;
}

API void fm_tokenizer_free(tokenizer *t)
{
    if (!t)
        return;
    free(t->text);
    free(t->ngrams);
    free(t->character_ngrams);
    free(t);
}

/* offsets: 257 places in text; byte b is replaced by text[offsets[b]] to text[offsets[b + 1]]. Bytes from 128 on
 * stay as they are. */
API tokenizer *fm_tokenizer_new(const uint8_t *text, const uint32_t *offsets, int characters, const uint32_t *ngrams,
                                uint32_t ngram_count, const uint32_t *character_ngrams,
                                uint32_t character_ngram_count, uint32_t head)
{
    tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->ngrams = copy_numbers(ngrams, ngram_count);
    t->character_ngrams = copy_numbers(character_ngrams, character_ngram_count);
    t->text = malloc(offsets[256] + 1);
    if (!t->ngrams || !t->character_ngrams || !t->text) {
        fm_tokenizer_free(t);
        return NULL;
    }
    memcpy(t->text, text, offsets[256]);
    memcpy(t->offsets, offsets, sizeof t->offsets);
    t->ngram_count = ngram_count;
    t->character_ngram_count = character_ngram_count;
    t->head = head;
    t->characters = characters;
    t->words_only = ngram_count == 1 && ngrams[0] == 1 && !character_ngram_count && !head;
    t->identity = 1;
    t->longest = 1;
    for (int b = 0; b < 256; b++) {
        uint32_t size = offsets[b + 1] - offsets[b];
        t->keep[b] = size > 0;
        t->one[b] = size ? text[offsets[b]] : 0;
        t->longer[b] = size > 1;
        t->ends_word[b] = size && is_space(text[offsets[b + 1] - 1]);
        if (size != 1 || t->one[b] != b)
            t->identity = 0;
        if (size > t->longest)
            t->longest = size;
        if (b < 128 && !size) {
            t->deletes = 1;
            t->delete_low[b & 15] |= (uint8_t)(1 << (b >> 4));
        } else if (b < 128 && size > 1) {
            t->expands = 1;
            t->longer_low[b & 15] |= (uint8_t)(1 << (b >> 4));
        } else if (b < 128) {
            t->change[b >> 4][b & 15] = (uint8_t)(t->one[b] ^ b);
        }
    }
    for (int i = 0; i < 8; i++) {
        t->delete_high[i] = t->longer_high[i] = (uint8_t)(1 << i);
        for (int j = 0; j < 16; j++)
            if (t->change[i][j]) {
                t->changed_rows[t->rows++] = (uint8_t)i;
                break;
            }
    }
    for (int mask = 0; mask < 256; mask++)
        for (int i = 0; i < 8; i++)
            if (!(mask >> i & 1))
                t->compact[mask][t->left[mask]++] = (uint8_t)i;
#if HAVE_SSSE3
    t->ssse3 = __builtin_cpu_supports("ssse3") != 0;
#endif
    return t;
}

static size_t normalize_scalar(const tokenizer *t, const uint8_t *in, size_t n, uint8_t *out)
{
    size_t o = 0;
    for (size_t i = 0; i < n; i++) {
        uint8_t b = in[i];
        if (t->longer[b]) {
            uint32_t size = t->offsets[b + 1] - t->offsets[b];
            memcpy(out + o, t->text + t->offsets[b], size);
            o += size;
        } else {
            out[o] = t->one[b];
            o += t->keep[b];
        }
    }
    return o;
}

#if HAVE_SSSE3
__attribute__((target("ssse3"))) static __m128i in_set(__m128i x, __m128i high, const uint8_t *by_low,
                                                       const uint8_t *by_high)
{
    __m128i low_table = _mm_loadu_si128((const __m128i *)by_low);
    __m128i high_table = _mm_loadu_si128((const __m128i *)by_high);
    /* A shuffle gives 0 for bytes from 128 on: they are in no set. */
    __m128i both = _mm_and_si128(_mm_shuffle_epi8(low_table, x), _mm_shuffle_epi8(high_table, high));
    return _mm_cmpeq_epi8(both, _mm_setzero_si128());
}

__attribute__((target("ssse3"))) static size_t normalize_ssse3(const tokenizer *t, const uint8_t *in, size_t n,
                                                               uint8_t *out)
{
    size_t o = 0, i = 0;
    const __m128i nibble = _mm_set1_epi8(15), above = _mm_set1_epi8(0x70);
    for (; i + 16 <= n; i += 16) {
        __m128i x = _mm_loadu_si128((const __m128i *)(in + i)), y = x;
        __m128i high = _mm_and_si128(_mm_srli_epi16(x, 4), nibble);
        if (t->expands && _mm_movemask_epi8(in_set(x, high, t->longer_low, t->longer_high)) != 0xFFFF) {
            o += normalize_scalar(t, in + i, 16, out + o);
            continue;
        }
        for (int r = 0; r < t->rows; r++) {
            int row = t->changed_rows[r];
            __m128i place = _mm_adds_epu8(_mm_xor_si128(x, _mm_set1_epi8((char)(row << 4))), above);
            y = _mm_xor_si128(y, _mm_shuffle_epi8(_mm_loadu_si128((const __m128i *)t->change[row]), place));
        }
        unsigned gone = 0;
        if (t->deletes)
            gone = ~(unsigned)_mm_movemask_epi8(in_set(x, high, t->delete_low, t->delete_high)) & 0xFFFF;
        if (!gone) {
            _mm_storeu_si128((__m128i *)(out + o), y);
            o += 16;
            continue;
        }
        __m128i first = _mm_loadl_epi64((const __m128i *)t->compact[gone & 255]);
        __m128i second = _mm_loadl_epi64((const __m128i *)t->compact[gone >> 8]);
        _mm_storel_epi64((__m128i *)(out + o), _mm_shuffle_epi8(y, first));
        o += t->left[gone & 255];
        _mm_storel_epi64((__m128i *)(out + o), _mm_shuffle_epi8(_mm_srli_si128(y, 8), second));
        o += t->left[gone >> 8];
    }
    return o + normalize_scalar(t, in + i, n - i, out + o);
}
#endif

/* Appends the normal form of n bytes. */
static int normalize(const tokenizer *t, const uint8_t *in, size_t n, buffer *out)
{
    if (t->identity)
        return append(out, in, n);
    if (reserve(out, n * t->longest))
        return NO_MEMORY;
#if HAVE_SSSE3
    if (use_simd && t->ssse3) {
        out->size += normalize_ssse3(t, in, n, out->data + out->size);
        return 0;
    }
#endif
    out->size += normalize_scalar(t, in, n, out->data + out->size);
    return 0;
}

/* One bit a byte: white space, 9 to 13 and 32. */
static uint64_t spaces(const uint8_t *p)
{
    uint64_t mask = 0;
#if HAVE_SSE2
    if (use_simd) {
        for (int i = 0; i < 4; i++) {
            __m128i x = _mm_loadu_si128((const __m128i *)(p + 16 * i));
            __m128i low = _mm_subs_epu8(_mm_sub_epi8(x, _mm_set1_epi8(9)), _mm_set1_epi8(4));
            __m128i space = _mm_or_si128(_mm_cmpeq_epi8(low, _mm_setzero_si128()),
                                         _mm_cmpeq_epi8(x, _mm_set1_epi8(32)));
            mask |= (uint64_t)(unsigned)_mm_movemask_epi8(space) << (16 * i);
        }
        return mask;
    }
#endif
    for (int i = 0; i < 64; i++)
        mask |= (uint64_t)is_space(p[i]) << i;
    return mask;
}

static unsigned lowest_bit(uint64_t x)
{
#if defined(__GNUC__)
    return (unsigned)__builtin_ctzll(x);
#else
    unsigned n = 0;
    while (!(x >> n & 1))
        n++;
    return n;
#endif
}

/* Where words begin and end in n bytes with PAD bytes behind them: begin, end, begin, end, ... An unfinished word
 * at the end is finished by it. There is space for n + 2 + 64 numbers. Returns how many were written. */
static size_t edges(const uint8_t *data, size_t n, uint32_t *to)
{
    uint32_t *start = to;
    uint64_t before = 1;
    for (size_t i = 0; i < n; i += 64) {
        uint64_t mask = spaces(data + i);
        if (n - i < 64)
            mask |= ~(uint64_t)0 << (n - i);
        uint64_t turns = mask ^ (mask << 1 | before);
        before = mask >> 63;
        while (turns) {
            *to++ = (uint32_t)i + lowest_bit(turns);
            turns &= turns - 1;
        }
    }
    if ((to - start) & 1)
        *to++ = (uint32_t)n;
    return (size_t)(to - start);
}

/* ---- table: keys and what was counted of them ---- */

enum { TERMS = 0, DOCUMENTS = 1, LABELLED = 2 };

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

static uint8_t masks[INLINE_KEY + 1][INLINE_KEY];
static const uint64_t K1 = 0x9E3779B97F4A7C15u, K2 = 0xC2B2AE3D27D4EB4Fu, K3 = 0x165667B19E3779F9u;

static void make_masks(void)
{
    for (int n = 0; n <= INLINE_KEY; n++)
        memset(masks[n], 255, (size_t)n);
}

static uint32_t finish(uint64_t low, uint64_t high, uint64_t rest)
{
    uint64_t h = (low * K1) ^ ((high * K2) << 32 | (high * K2) >> 32) ^ rest;
    h = (h ^ h >> 29) * K3;
    return (uint32_t)(h >> 32) ^ (uint32_t)h;
}

/* A key with PAD readable bytes behind it. */
static inline void make_item(item *it, const uint8_t *key, uint32_t length, uint32_t label)
{
    it->key = key;
    it->length = length;
    uint64_t rest = (uint64_t)length * K3 + (uint64_t)label * K1;
    memcpy(&it->low, key, 8);
    if (LIKELY(length <= INLINE_KEY)) {
        uint64_t low, high;
        memcpy(&it->high, key + 8, 8);
        memcpy(&low, masks[length], 8);
        memcpy(&high, masks[length] + 8, 8);
        it->low &= low;
        it->high &= high;
        it->tag = finish(it->low, it->high, rest);
        return;
    }
    uint64_t h = rest, word;
    for (uint32_t i = 8; i + 8 <= length; i += 8) {
        memcpy(&word, key + i, 8);
        h = (h ^ word) * K2;
        h ^= h >> 31;
    }
    memcpy(&word, key + length - 8, 8);
    it->high = 0;
    it->tag = finish(it->low, word, h);
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
    t->limit = limit;
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
    if (capacity * (t->stride * 3 / 2 + 20) + t->arena.size > t->limit) {
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
        if (t->capacity * (t->stride + 20) + t->arena.size > t->limit)
            t->full = 1;
    }
    if (++t->used > t->capacity / 8 * 5)
        return table_grow(t);
    return 0;
}

static const uint8_t *key_bytes(const table *t, const slot *s)
{
    return s->length - 1 <= INLINE_KEY ? (const uint8_t *)&s->low : t->arena.data + s->high;
}

/* ---- sorting: keys by their bytes, in place ---- */

typedef struct {
    uint64_t prefix; /* 8 bytes of the key from some depth on, as a number, zeros behind its end */
    const uint8_t *key;
    uint32_t length, order; /* order: what decides between equal keys */
    uint32_t index, unused;
} reference;

static uint64_t prefix_at(const uint8_t *key, uint32_t length, uint32_t depth)
{
    uint64_t prefix = 0;
    uint32_t n = length > depth ? length - depth : 0;
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
    int c = compare_bytes(a->key, a->length, b->key, b->length);
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

static int by_length_and_order(const void *a, const void *b)
{
    const reference *x = a, *y = b;
    if (x->length != y->length)
        return x->length > y->length ? 1 : -1;
    return (x->order > y->order) - (x->order < y->order);
}

/* Radix sort from the first byte on. The largest bucket is done by the loop, so recursion is at most log2(n) deep
 * whatever the keys are. `depth` is where the prefixes were taken, `shift` the byte of them that is looked at. */
static void radix_sort(reference *r, size_t n, uint32_t depth, int shift)
{
    while (n > 24) {
        if (shift < 0) {
            uint32_t longest = 0;
            depth += 8;
            for (size_t i = 0; i < n; i++)
                if (r[i].length > longest)
                    longest = r[i].length;
            if (longest <= depth) {
                qsort(r, n, sizeof *r, by_length_and_order);
                return;
            }
            for (size_t i = 0; i < n; i++)
                r[i].prefix = prefix_at(r[i].key, r[i].length, depth);
            shift = 56;
        }
        size_t begin[257] = {0}, next[256], largest = 0;
        for (size_t i = 0; i < n; i++)
            begin[(r[i].prefix >> shift & 255) + 1]++;
        for (int b = 0; b < 256; b++) {
            if (begin[b + 1] > begin[largest + 1] - (largest ? begin[largest] : 0))
                largest = (size_t)b;
            begin[b + 1] += begin[b];
            next[b] = begin[b];
        }
        if (begin[largest + 1] - begin[largest] < n)
            for (int b = 0; b < 256; b++)
                while (next[b] < begin[b + 1]) {
                    reference x = r[next[b]];
                    for (;;) {
                        unsigned to = x.prefix >> shift & 255;
                        if (to == (unsigned)b)
                            break;
                        reference y = r[next[to]];
                        r[next[to]++] = x;
                        x = y;
                    }
                    r[next[b]++] = x;
                }
        for (size_t b = 0; b < 256; b++)
            if (b != largest && begin[b + 1] - begin[b] > 1)
                radix_sort(r + begin[b], begin[b + 1] - begin[b], depth, shift - 8);
        r += begin[largest];
        n = begin[largest + 1] - begin[largest];
        shift -= 8;
    }
    insertion_sort(r, n);
}

/* ---- counting ---- */

typedef struct counter {
    const tokenizer *tokenizer;
    int mode;
    table table;
    buffer normal, clean, scratch, out, ids;
    uint32_t *edges;
    size_t edges_capacity;
    item batch[BATCH];
    int pending;
    uint32_t label, document;
    uint64_t documents; /* since the last drain */
    reference *sorted;
    size_t drained;
    buffer label_bytes;
    uint64_t *label_begin; /* of label i; i + 1 ends it */
    uint32_t labels;
} counter;

API void fm_counter_free(counter *c)
{
    if (!c)
        return;
    table_free(&c->table);
    free(c->normal.data);
    free(c->clean.data);
    free(c->scratch.data);
    free(c->out.data);
    free(c->ids.data);
    free(c->edges);
    free(c->sorted);
    free(c->label_bytes.data);
    free(c->label_begin);
    free(c);
}

/* mode: 0 terms, 1 terms and documents, 2 the same by label. limit: bytes of memory. */
API counter *fm_counter_new(const tokenizer *t, int mode, uint64_t limit)
{
    counter *c = calloc(1, sizeof *c);
    make_masks();
    if (c && table_init(&c->table, mode == TERMS ? sizeof(slot) : sizeof(wide_slot), (size_t)limit)) {
        fm_counter_free(c);
        return NULL;
    }
    if (c) {
        c->tokenizer = t;
        c->mode = mode;
    }
    return c;
}

/* Returns the number of the label, which is new. */
API int64_t fm_counter_label(counter *c, const uint8_t *label, uint64_t size)
{
    if (c->labels == UINT32_MAX)
        return UNSUPPORTED;
    if (append(&c->label_bytes, label, (size_t)size))
        return NO_MEMORY;
    if (!(c->labels & (c->labels + 1))) { /* 0, 1, 3, 7, ...: space for twice as many */
        uint64_t *grown = realloc(c->label_begin, ((size_t)c->labels + 1) * 2 * sizeof *grown + sizeof *grown);
        if (!grown)
            return NO_MEMORY;
        grown[0] = 0;
        c->label_begin = grown;
    }
    c->label_begin[c->labels + 1] = c->label_bytes.size;
    return c->labels++;
}

static int count_batch(counter *c)
{
    table *t = &c->table;
    int n = c->pending, wide = c->mode != TERMS;
    c->pending = 0;
    for (int i = 0; i < n; i++) {
        const item *it = &c->batch[i];
        slot *s = find(t, it, c->label, wide);
        if (!s->length) {
            s->tf = 1;
            if (wide) {
                wide_slot *w = (wide_slot *)s;
                w->df = 1;
                w->last = c->document;
                w->label = c->label;
            }
            int error = insert(t, s, it);
            if (error)
                return error;
            continue;
        }
        s->tf++;
        if (wide) {
            wide_slot *w = (wide_slot *)s;
            w->df += w->last != c->document;
            w->last = c->document;
        }
    }
    return 0;
}

/* Looks the batch up: appends int32, little-endian. */
static int look_up_batch(counter *c)
{
    int n = c->pending;
    c->pending = 0;
    if (reserve(&c->ids, (size_t)n * 4))
        return NO_MEMORY;
    for (int i = 0; i < n; i++) {
        const slot *s = find(&c->table, &c->batch[i], 0, 0);
        uint64_t id = s->length ? s->tf : 1;
        uint8_t *to = c->ids.data + c->ids.size;
        for (int k = 0; k < 4; k++)
            to[k] = (uint8_t)(id >> (8 * k));
        c->ids.size += 4;
    }
    return 0;
}

typedef int (*batch_function)(counter *);

static inline int emit(counter *c, const uint8_t *key, uint32_t length, batch_function full)
{
    item *it = &c->batch[c->pending];
    make_item(it, key, length, c->label);
    PREFETCH(slot_at(&c->table, it->tag & (c->table.capacity - 1)));
    return LIKELY(++c->pending < BATCH) ? 0 : full(c);
}

/* A feature that stands nowhere as it is: two bytes before it. */
static int emit_prefixed(counter *c, char mark, const uint8_t *rest, uint32_t length, batch_function full)
{
    if (c->scratch.size + length + 2 + PAD > c->scratch.capacity) {
        int error = full(c);
        c->scratch.size = 0;
        if (error || reserve(&c->scratch, length + 2 + (BATCH << 6)))
            return error ? error : NO_MEMORY;
    }
    uint8_t *key = c->scratch.data + c->scratch.size;
    key[0] = ' ';
    key[1] = (uint8_t)mark;
    memcpy(key + 2, rest, length);
    c->scratch.size += length + 2;
    int error = emit(c, key, length + 2, full);
    if (!c->pending)
        c->scratch.size = 0;
    return error;
}

static int reserve_edges(counter *c, size_t bytes)
{
    size_t need = bytes + 2 + 64;
    if (need <= c->edges_capacity)
        return 0;
    uint32_t *grown = realloc(c->edges, need * 3 / 2 * sizeof *grown);
    if (!grown)
        return NO_MEMORY;
    c->edges = grown;
    c->edges_capacity = need * 3 / 2;
    return 0;
}

static int is_continuation(uint8_t b)
{
    return (b & 0xC0) == 0x80;
}

/* Rewrites the words in c->normal as " one two three " in c->clean, so that every n-gram stands there as it is. */
static int64_t clean_words(counter *c, size_t count)
{
    const tokenizer *t = c->tokenizer;
    buffer *to = &c->clean;
    size_t words = 0;
    to->size = 0;
    if (reserve(to, 2 * c->normal.size + 2))
        return NO_MEMORY;
    uint32_t *from = c->edges, *out = c->edges;
    if (t->characters) { /* more words than edges: the source of the edges is put at the end */
        if (reserve_edges(c, 2 * c->normal.size + count))
            return NO_MEMORY;
        from = c->edges + c->edges_capacity - count;
        out = c->edges;
        memmove(from, c->edges, count * sizeof *from);
    }
    to->data[to->size++] = ' ';
    for (size_t i = 0; i < count; i += 2) {
        uint32_t at = from[i], end = from[i + 1];
        while (at < end) {
            uint32_t stop = at + 1;
            if (t->characters)
                while (stop < end && is_continuation(c->normal.data[stop]))
                    stop++;
            else
                stop = end;
            out[2 * words] = (uint32_t)to->size;
            memcpy(to->data + to->size, c->normal.data + at, stop - at);
            to->size += stop - at;
            out[2 * words + 1] = (uint32_t)to->size;
            words++;
            to->data[to->size++] = ' ';
            at = stop;
        }
    }
    return (int64_t)words;
}

static int emit_characters(counter *c, uint32_t begin, uint32_t end, uint32_t width, batch_function full)
{
    const uint8_t *data = c->clean.data;
    uint32_t first = begin - 1, last = first, stop = end + 1; /* with the spaces around the word */
    uint32_t seen = 0;
    for (uint32_t i = first + 1; i <= stop; i++) { /* i: the end of a character */
        if (i < stop && is_continuation(data[i]))
            continue;
        if (++seen > width)
            do
                first++;
            while (is_continuation(data[first]));
        last = i;
        if (seen >= width) {
            int error = emit_prefixed(c, '~', data + first, last - first, full);
            if (error)
                return error;
        }
    }
    return 0;
}

/* All features of one document, in the order of the Python twin. */
static int features(counter *c, const uint8_t *text, size_t size, batch_function full)
{
    const tokenizer *t = c->tokenizer;
    int error = 0;
    c->normal.size = 0;
    if (size * t->longest > LONGEST_DOCUMENT)
        return UNSUPPORTED;
    if (normalize(t, text, size, &c->normal) || reserve_edges(c, c->normal.size))
        return NO_MEMORY;
    size_t count = edges(c->normal.data, c->normal.size, c->edges);
    const uint32_t *e = c->edges;
    if (t->words_only && !t->characters) {
        for (size_t i = 0; i < count && !error; i += 2)
            error = emit(c, c->normal.data + e[i], e[i + 1] - e[i], full);
        return error ? error : full(c);
    }
    int64_t words = clean_words(c, count);
    if (words < 0)
        return (int)words;
    e = c->edges;
    const uint8_t *data = c->clean.data;
    c->scratch.size = 0;
    for (uint32_t k = 0; k < t->ngram_count && !error; k++) {
        uint32_t width = t->ngrams[k];
        for (int64_t i = 0; i + width <= words && !error; i++)
            error = emit(c, data + e[2 * i], e[2 * (i + width - 1) + 1] - e[2 * i], full);
    }
    for (uint32_t k = 0; k < t->character_ngram_count && !error; k++)
        for (int64_t i = 0; i < words && !error; i++)
            error = emit_characters(c, e[2 * i], e[2 * i + 1], t->character_ngrams[k], full);
    for (int64_t i = 0; i < words && i < (int64_t)t->head && !error; i++)
        error = emit_prefixed(c, '^', data + e[2 * i], e[2 * i + 1] - e[2 * i], full);
    return error ? error : full(c);
}

static int count_document(counter *c, const uint8_t *text, size_t size)
{
    c->document++;
    int error = features(c, text, size, count_batch);
    c->documents += !error;
    return error;
}

/* Where a chunk from `begin` on ends: behind the last byte that ends a word, or behind the first where the chunk has
 * none. */
static uint64_t chunk_end(const tokenizer *t, const uint8_t *data, uint64_t begin, uint64_t n)
{
    if (n - begin <= CHUNK)
        return n;
    uint64_t end = begin + CHUNK;
    while (end > begin && !t->ends_word[data[end - 1]])
        end--;
    if (end == begin)
        for (end = begin + CHUNK; end < n && !t->ends_word[data[end - 1]];)
            end++;
    return end;
}

/* Counts the words of n bytes that do not end within a word; returns how many bytes were taken, fewer once the table
 * is full. */
API int64_t fm_count_block(counter *c, const uint8_t *data, uint64_t n)
{
    const tokenizer *t = c->tokenizer;
    uint64_t taken = 0;
    while (taken < n && !c->table.full) {
        uint64_t end = chunk_end(t, data, taken, n);
        if ((end - taken) * t->longest > LONGEST_DOCUMENT)
            return taken ? (int64_t)taken : UNSUPPORTED;
        c->normal.size = 0;
        if (normalize(t, data + taken, (size_t)(end - taken), &c->normal) || reserve_edges(c, c->normal.size))
            return NO_MEMORY;
        size_t count = edges(c->normal.data, c->normal.size, c->edges);
        const uint32_t *e = c->edges;
        int error = 0;
        for (size_t i = 0; i < count && !error; i += 2)
            error = emit(c, c->normal.data + e[i], e[i + 1] - e[i], count_batch);
        if (error || (error = count_batch(c)))
            return error;
        taken = end;
    }
    return (int64_t)taken;
}

/* Counts lines, each a document; returns how many bytes were taken, fewer once the table is full. */
API int64_t fm_count_lines(counter *c, const uint8_t *data, uint64_t n)
{
    uint64_t taken = 0;
    while (taken < n && !c->table.full) {
        const uint8_t *end = memchr(data + taken, '\n', (size_t)(n - taken));
        uint64_t size = end ? (uint64_t)(end - data) - taken : n - taken;
        if (!end && c->mode != TERMS)
            return (int64_t)n; /* what no line end follows is no document */
        int error = count_document(c, data + taken, (size_t)size);
        if (error)
            return error == UNSUPPORTED && taken ? (int64_t)taken : error;
        taken += size + (end != NULL);
    }
    return (int64_t)taken;
}

/* Counts documents that stand one behind the other; returns how many were taken, fewer once the table is full. */
API int64_t fm_count_documents(counter *c, const uint8_t *data, const uint64_t *sizes, const uint32_t *labels,
                               uint64_t count)
{
    uint64_t i = 0;
    for (; i < count && !c->table.full; i++) {
        c->label = labels[i];
        int error = count_document(c, data, (size_t)sizes[i]);
        if (error)
            return error == UNSUPPORTED && i ? (int64_t)i : error;
        data += sizes[i];
    }
    return (int64_t)i;
}

API uint64_t fm_counter_used(const counter *c)
{
    return c->table.used;
}

/* The order of the labels' bytes. */
static void rank_labels(const counter *c, uint32_t *rank, reference *r)
{
    for (uint32_t i = 0; i < c->labels; i++) {
        r[i].key = c->label_bytes.data + c->label_begin[i];
        r[i].length = (uint32_t)(c->label_begin[i + 1] - c->label_begin[i]);
        r[i].prefix = prefix_at(r[i].key, r[i].length, 0);
        r[i].order = r[i].index = i;
    }
    radix_sort(r, c->labels, 0, 56);
    for (uint32_t i = 0; i < c->labels; i++)
        rank[r[i].index] = i;
}

static int sort_table(counter *c)
{
    table *t = &c->table;
    uint32_t *rank = calloc(c->labels + 1, sizeof *rank);
    c->sorted = malloc((t->used + c->labels + 1) * sizeof *c->sorted);
    if (!c->sorted || !rank) {
        free(rank);
        free(c->sorted);
        c->sorted = NULL;
        return NO_MEMORY;
    }
    rank_labels(c, rank, c->sorted);
    size_t n = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        const slot *s = slot_at(t, i);
        if (!s->length)
            continue;
        reference *r = &c->sorted[n++];
        r->key = key_bytes(t, s);
        r->length = s->length - 1;
        r->prefix = prefix_at(r->key, r->length, 0);
        r->order = c->mode == LABELLED ? rank[((const wide_slot *)s)->label] : 0;
        r->index = (uint32_t)i;
    }
    free(rank);
    radix_sort(c->sorted, n, 0, 56);
    return 0;
}

/* A piece of the counts as lines, in order of keys, then labels; *to is good until the next call. Returns its size;
 * 0 when all was given and the table is empty again. */
API int64_t fm_drain(counter *c, const uint8_t **to)
{
    table *t = &c->table;
    buffer *out = &c->out;
    out->size = 0;
    if (!c->sorted) {
        if (sort_table(c))
            return NO_MEMORY;
        c->drained = 0;
        if (c->mode == DOCUMENTS) { /* b"", which is no token and the first of all keys */
            if (reserve(out, 64))
                return NO_MEMORY;
            for (int i = 0; i < 2; i++) {
                out->data[out->size++] = '\t';
                out->size += put_number(out->data + out->size, (int64_t)c->documents);
            }
            out->data[out->size++] = '\n';
        }
        c->documents = 0;
    }
    while (c->drained < t->used && out->size < PIECE) {
        const reference *r = &c->sorted[c->drained++];
        const slot *s = slot_at(t, r->index);
        const wide_slot *w = (const wide_slot *)s;
        size_t label = 0, label_size = 0;
        if (c->mode == LABELLED) {
            label = (size_t)c->label_begin[w->label];
            label_size = (size_t)c->label_begin[w->label + 1] - label;
        }
        if (reserve(out, r->length + label_size + 64))
            return NO_MEMORY;
        uint8_t *p = out->data + out->size;
        if (LIKELY(r->length <= INLINE_KEY))
            memcpy(p, r->key, INLINE_KEY);
        else
            memcpy(p, r->key, r->length);
        p += r->length;
        *p++ = '\t';
        if (c->mode == LABELLED) {
            memcpy(p, c->label_bytes.data + label, label_size);
            p += label_size;
            *p++ = '\t';
        }
        p += put_number(p, (int64_t)s->tf);
        if (c->mode != TERMS) {
            *p++ = '\t';
            p += put_number(p, w->df);
        }
        *p++ = '\n';
        out->size = (size_t)(p - out->data);
    }
    if (!out->size) {
        free(c->sorted);
        c->sorted = NULL;
        table_clear(t);
    }
    *to = out->data;
    return (int64_t)out->size;
}

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

/* BLAKE2b (RFC 7693) with a digest of 8 bytes. */
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
static uint8_t pairs[4096][2]; /* two digits for 12 bits */

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
    if (!pairs[0][0])
        make_pairs();
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

/* ---- groups: what becomes of lines with equal keys ---- */

enum { AS_IS = 0, ADD = 1, ADD_LABELLED = 2, IN_ORDER = 3 };

typedef struct {
    int kind;
    int64_t minimum; /* ADD_LABELLED: the least sum of the last column */
    buffer *out;
    size_t begin, key_size, count;
    int columns;
    int64_t sums[COLUMNS];
    buffer spare;
} group;

/* Columns of integers from p to end; how many, or -1 where they are not written as Python would. */
static int parse_columns(const uint8_t *p, const uint8_t *end, int64_t *to)
{
    int columns = 0;
    for (;;) {
        int negative = p < end && *p == '-';
        int64_t value = 0;
        const uint8_t *first = p += negative;
        for (; p < end && p - first <= 18 && (uint8_t)(*p - '0') < 10; p++)
            value = value * 10 + (*p - '0');
        if (p == first || p - first > 18 || columns == COLUMNS)
            return -1;
        if (*first == '0' && (negative || p - first > 1))
            return -1; /* 007, -0 */
        to[columns++] = negative ? -value : value;
        if (p == end)
            return columns;
        if (*p++ != '\t')
            return -1;
    }
}

static int add_columns(int64_t *sums, const int64_t *more, int columns)
{
    const int64_t most = (int64_t)4000000000000000000;
    for (int i = 0; i < columns; i++)
        if (sums[i] + more[i] > most || sums[i] + more[i] < -most)
            return -1;
    for (int i = 0; i < columns; i++)
        sums[i] += more[i];
    return 0;
}

static int put_columns(buffer *out, const int64_t *sums, int columns)
{
    if (reserve(out, (size_t)columns * 24))
        return NO_MEMORY;
    for (int i = 0; i < columns; i++) {
        out->size += put_number(out->data + out->size, sums[i]);
        out->data[out->size++] = i + 1 < columns ? '\t' : '\n';
    }
    return 0;
}

typedef struct {
    const uint8_t *label; /* or the whole value */
    size_t size;
    int64_t sums[COLUMNS];
    int columns;
} member;

static int by_label(const void *a, const void *b)
{
    const member *x = a, *y = b;
    return compare_bytes(x->label, x->size, y->label, y->size);
}

/* The lines of the group, which stand in `out` as they came, sorted by value or added up by label. */
static int group_members(group *g)
{
    buffer *out = g->out;
    int error = 0, labelled = g->kind == ADD_LABELLED;
    size_t size = out->size - g->begin, n = 0, kept = 0;
    g->spare.size = 0;
    member *m = malloc(g->count * sizeof *m);
    if (!m || append(&g->spare, out->data + g->begin, size)) {
        free(m);
        return NO_MEMORY;
    }
    const uint8_t *p = g->spare.data, *end = p + size;
    for (; p < end && !error; n++) {
        const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
        if (p + g->key_size == stop && g->count > 1)
            error = UNSUPPORTED; /* a key without a value; the Python twin knows what that means */
        else {
            m[n].label = p + g->key_size + (p + g->key_size < stop);
            m[n].size = (size_t)(stop - m[n].label);
            if (labelled) {
                const uint8_t *tab = memchr(m[n].label, '\t', m[n].size);
                m[n].size = tab ? (size_t)(tab - m[n].label) : 0;
                m[n].columns = tab ? parse_columns(tab + 1, stop, m[n].sums) : -1;
                if (m[n].columns < 0)
                    error = UNSUPPORTED;
            }
        }
        p = stop + 1;
    }
    if (!error)
        qsort(m, n, sizeof *m, by_label);
    int64_t total = 0;
    for (size_t i = 0; i < n && labelled && !error; i++) {
        if (kept && !by_label(&m[kept - 1], &m[i])) {
            if (m[kept - 1].columns != m[i].columns || add_columns(m[kept - 1].sums, m[i].sums, m[i].columns))
                error = UNSUPPORTED;
        } else {
            m[kept++] = m[i];
        }
        int64_t last = m[i].sums[m[i].columns - 1];
        if (add_columns(&total, &last, 1))
            error = UNSUPPORTED;
    }
    if (!error) {
        out->size = g->begin;
        if (labelled && total < g->minimum)
            kept = 0;
        for (size_t i = 0; i < (labelled ? kept : n) && !error; i++) {
            error = append(out, g->spare.data, g->key_size);
            error = error ? error : append(out, "\t", 1);
            error = error ? error : append(out, m[i].label, m[i].size);
            error = error ? error : append(out, labelled ? "\t" : "\n", 1);
            if (labelled && !error)
                error = put_columns(out, m[i].sums, m[i].columns);
        }
    }
    free(m);
    return error;
}

/* A labelled group of one line: it stays or goes. */
static int group_of_one(group *g)
{
    int64_t columns[COLUMNS];
    const uint8_t *end = g->out->data + g->out->size - 1, *label = g->out->data + g->begin + g->key_size + 1;
    const uint8_t *tab = label < end ? memchr(label, '\t', (size_t)(end - label)) : NULL;
    int n = tab ? parse_columns(tab + 1, end, columns) : -1;
    if (n < 0)
        return UNSUPPORTED;
    if (columns[n - 1] < g->minimum)
        g->out->size = g->begin;
    return 0;
}

/* Ends the group, if there is one. */
static int group_end(group *g)
{
    int error = 0;
    if (g->count > 1 && g->kind == ADD) {
        g->out->size = g->begin + g->key_size;
        g->out->data[g->out->size++] = '\t';
        error = put_columns(g->out, g->sums, g->columns);
    } else if (g->count > 1 && g->kind > ADD) {
        error = group_members(g);
    } else if (g->count && g->kind == ADD_LABELLED && g->minimum > INT64_MIN) {
        error = group_of_one(g);
    }
    g->count = 0;
    return error;
}

/* Takes the next line, with its LF. */
static int group_line(group *g, const uint8_t *line, size_t size, size_t key_size)
{
    buffer *out = g->out;
    if (g->kind == AS_IS)
        return append(out, line, size);
    if (g->count && g->key_size == key_size && !memcmp(out->data + g->begin, line, key_size)) {
        if (g->kind == ADD) {
            int64_t more[COLUMNS];
            if (key_size + 1 >= size)
                return UNSUPPORTED;
            if (g->count == 1) {
                if (g->begin + key_size + 1 >= out->size)
                    return UNSUPPORTED;
                g->columns = parse_columns(out->data + g->begin + key_size + 1, out->data + out->size - 1, g->sums);
            }
            if (g->columns < 0 || parse_columns(line + key_size + 1, line + size - 1, more) != g->columns ||
                add_columns(g->sums, more, g->columns))
                return UNSUPPORTED;
            g->count++;
            return 0;
        }
        g->count++;
        return append(out, line, size);
    }
    int error = group_end(g);
    if (error)
        return error;
    g->begin = out->size;
    g->key_size = key_size;
    g->count = 1;
    return append(out, line, size);
}

/* ---- spill: lines to sorted runs, one a partition ---- */

typedef struct {
    buffer lines, out;
    reference *sorted;
    size_t count, capacity, limit;
    uint32_t reduces, seed;
    int kind, whole, ascending;
} spill;

API void fm_spill_free(spill *s)
{
    if (!s)
        return;
    free(s->lines.data);
    free(s->out.data);
    free(s->sorted);
    free(s);
}

/* seed: what the partitioner's hash starts at. kind: how lines of one key are combined. whole: sort whole lines. */
API spill *fm_spill_new(uint32_t reduces, uint32_t seed, int kind, int whole, uint64_t limit)
{
    spill *s = calloc(1, sizeof *s);
    if (s) {
        s->reduces = reduces;
        s->seed = seed;
        s->kind = kind;
        s->whole = whole;
        s->ascending = 1;
        s->limit = (size_t)limit;
    }
    return s;
}

static uint32_t partition(const uint8_t *key, size_t size, uint32_t seed, uint32_t reduces)
{
    uint32_t code = seed;
    if (reduces == 1)
        return 0;
    for (size_t i = 0; i < size; i++)
        code = 31 * code + (key[i] < 128 ? key[i] : key[i] - 256u);
    return (code & 0x7FFFFFFFu) % reduces;
}

/* Takes whole lines, each with its LF, or none of them and returns UNSUPPORTED: where one has no tab, and whole lines
 * are not what is sorted. Returns 1 when it is time to spill, else 0. */
API int64_t fm_spill_write(spill *s, const uint8_t *data, uint64_t n)
{
    size_t at = s->lines.size, end = at + (size_t)n, before = s->count;
    if (append(&s->lines, data, (size_t)n))
        return NO_MEMORY;
    while (at < end) {
        const uint8_t *line = s->lines.data + at;
        const uint8_t *stop = memchr(line, '\n', end - at);
        size_t size = stop ? (size_t)(stop - line) : UINT32_MAX;
        if (size >= UINT32_MAX || s->count >= UINT32_MAX)
            return UNSUPPORTED;
        const uint8_t *tab = s->whole ? NULL : memchr(line, '\t', size);
        if (!tab && !s->whole) {
            s->lines.size = end - (size_t)n;
            s->count = before;
            return UNSUPPORTED;
        }
        if (s->count == s->capacity) {
            size_t capacity = s->capacity ? s->capacity * 3 / 2 : 1 << 12;
            reference *grown = realloc(s->sorted, capacity * sizeof *grown);
            if (!grown)
                return NO_MEMORY;
            s->sorted = grown;
            s->capacity = capacity;
        }
        reference *r = &s->sorted[s->count];
        r->index = (uint32_t)size + 1;
        r->length = (uint32_t)(tab ? (size_t)(tab - line) : size);
        r->order = (uint32_t)s->count;
        r->prefix = prefix_at(line, r->length, 0);
        r->key = NULL;
        if (s->ascending && s->count) {
            const reference *last = r - 1;
            if (last->prefix > r->prefix ||
                (last->prefix == r->prefix &&
                 compare_bytes(line - last->index, last->length, line, r->length) > 0))
                s->ascending = 0;
        }
        s->count++;
        at += size + 1;
    }
    return s->lines.size + s->count * (sizeof(reference) + 4) > s->limit;
}

static int write_out(FILE *file, buffer *out, size_t size)
{
    errno = 0;
    if (size && fwrite(out->data, 1, size, file) != size)
        return errno ? -errno : -EIO;
    memmove(out->data, out->data + size, out->size - size);
    out->size -= size;
    return 0;
}

static int write_run(spill *s, const uint32_t *which, size_t n, const char *path)
{
    FILE *file = fopen(path, "wb");
    if (!file)
        return -errno;
    setvbuf(file, NULL, _IONBF, 0);
    group g = {.kind = s->kind, .out = &s->out, .minimum = INT64_MIN};
    int error = 0;
    s->out.size = 0;
    for (size_t i = 0; i < n && !error; i++) {
        const reference *r = &s->sorted[which[i]];
        error = group_line(&g, r->key, r->index, s->whole ? r->index - 1 : r->length);
        if (error == UNSUPPORTED) { /* a combiner may leave lines as they are */
            error = g.count > 1 ? group_end(&g) : 0;
            g.count = 0;
            error = error ? error : append(&s->out, r->key, r->index);
        }
        if (!error && s->out.size > PIECE && g.kind != AS_IS && g.begin > 0 && g.count) {
            error = write_out(file, &s->out, g.begin);
            g.begin = 0;
        } else if (!error && s->out.size > PIECE && !g.count) {
            error = write_out(file, &s->out, s->out.size);
        }
    }
    if (!error)
        error = group_end(&g);
    if (error == UNSUPPORTED)
        error = 0; /* the lines stand in `out` as they came */
    if (!error)
        error = write_out(file, &s->out, s->out.size);
    free(g.spare.data);
    errno = 0;
    if (fclose(file) && !error)
        error = errno ? -errno : -EIO;
    return error;
}

/* Sorts, combines and writes what it holds to paths[partition], and is empty again; sizes[partition] is the number
 * of lines there, before combining; without any no file is written. */
API int64_t fm_spill_flush(spill *s, const char *const *paths, uint64_t *sizes)
{
    size_t at = 0, n = s->count;
    uint32_t *part = malloc((n + 1) * sizeof *part), *which = malloc((n + 1) * sizeof *which);
    size_t *begin = calloc((size_t)s->reduces + 2, sizeof *begin);
    int error = part && which && begin ? 0 : NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        s->sorted[i].key = s->lines.data + at;
        at += s->sorted[i].index;
    }
    if (!error && !s->ascending)
        radix_sort(s->sorted, n, 0, 56);
    for (size_t i = 0; i < n && !error; i++) {
        const reference *r = &s->sorted[i];
        size_t key_size = r->length;
        if (s->whole) {
            const uint8_t *tab = memchr(r->key, '\t', key_size);
            key_size = tab ? (size_t)(tab - r->key) : key_size;
        }
        part[i] = partition(r->key, key_size, s->seed, s->reduces);
        begin[part[i] + 2]++;
    }
    for (uint32_t p = 0; p < s->reduces && !error; p++) {
        sizes[p] = begin[p + 2];
        begin[p + 2] += begin[p + 1];
    }
    for (size_t i = 0; i < n && !error; i++)
        which[begin[part[i] + 1]++] = (uint32_t)i;
    for (uint32_t p = 0; p < s->reduces && !error; p++)
        if (sizes[p])
            error = write_run(s, which + begin[p], (size_t)sizes[p], paths[p]);
    free(part);
    free(which);
    free(begin);
    s->count = s->lines.size = 0;
    s->ascending = 1;
    return error;
}

/* ---- merge: sorted runs to one sorted stream ---- */

typedef struct {
    FILE *file;
    buffer data;
    size_t at, size, key_size; /* of the current line, its LF included; size is 0 at the end */
    uint64_t prefix;
} run;

typedef struct {
    run *runs;
    uint32_t *heap, count, live;
    int whole;
    group group;
    buffer out;
    size_t given;
} merge;

API void fm_merge_free(merge *m)
{
    if (!m)
        return;
    for (uint32_t i = 0; i < m->count; i++) {
        if (m->runs[i].file)
            fclose(m->runs[i].file);
        free(m->runs[i].data.data);
    }
    free(m->runs);
    free(m->heap);
    free(m->out.data);
    free(m->group.spare.data);
    free(m);
}

/* Moves to the next line of a run. */
static int advance(run *r, int whole)
{
    r->at += r->size;
    for (size_t searched = 0;;) {
        const uint8_t *line = r->data.data + r->at;
        size_t there = r->data.size - r->at;
        const uint8_t *stop = there > searched ? memchr(line + searched, '\n', there - searched) : NULL;
        if (stop) {
            r->size = (size_t)(stop - line) + 1;
            const uint8_t *tab = whole ? NULL : memchr(line, '\t', r->size - 1);
            r->key_size = tab ? (size_t)(tab - line) : r->size - 1;
            r->prefix = prefix_at(line, (uint32_t)(r->key_size < 8 ? r->key_size : 8), 0);
            return 0;
        }
        searched = there;
        if (there && r->at)
            memmove(r->data.data, line, there);
        r->data.size = there;
        r->at = 0;
        if (reserve(&r->data, 1 << 17))
            return NO_MEMORY;
        errno = 0;
        size_t got = fread(r->data.data + there, 1, r->data.capacity - PAD - there, r->file);
        r->data.size += got;
        if (!got) {
            r->size = 0;
            return ferror(r->file) ? (errno ? -errno : -EIO) : there ? UNSUPPORTED : 0;
        }
    }
}

static int comes_before(const merge *m, uint32_t a, uint32_t b)
{
    const run *x = &m->runs[a], *y = &m->runs[b];
    if (x->prefix != y->prefix)
        return x->prefix < y->prefix;
    int c = compare_bytes(x->data.data + x->at, x->key_size, y->data.data + y->at, y->key_size);
    return c ? c < 0 : a < b;
}

static void sift_down(merge *m, uint32_t at)
{
    uint32_t x = m->heap[at];
    for (uint32_t child; (child = 2 * at + 1) < m->live; at = child) {
        if (child + 1 < m->live && comes_before(m, m->heap[child + 1], m->heap[child]))
            child++;
        if (!comes_before(m, m->heap[child], x))
            break;
        m->heap[at] = m->heap[child];
    }
    m->heap[at] = x;
}

/* minimum: for labelled sums, the least sum of the last column that is kept. NULL and *error on failure. */
API merge *fm_merge_new(const char *const *paths, uint32_t count, int kind, int whole, int64_t minimum, int64_t *error)
{
    merge *m = calloc(1, sizeof *m);
    *error = NO_MEMORY;
    if (!m)
        return NULL;
    m->runs = calloc((size_t)count + 1, sizeof *m->runs);
    m->heap = calloc((size_t)count + 1, sizeof *m->heap);
    m->whole = whole;
    if (!m->runs || !m->heap) {
        fm_merge_free(m);
        return NULL;
    }
    m->group = (group){.kind = kind, .out = &m->out, .minimum = minimum};
    for (uint32_t i = 0; i < count; i++) {
        run *r = &m->runs[i];
        m->count = i + 1;
        r->file = fopen(paths[i], "rb");
        *error = r->file ? 0 : -errno;
        if (r->file)
            setvbuf(r->file, NULL, _IONBF, 0);
        if (!*error)
            *error = reserve(&r->data, 1 << 17);
        if (*error || (*error = advance(r, whole))) {
            fm_merge_free(m);
            return NULL;
        }
        if (r->size)
            m->heap[m->live++] = i;
    }
    for (uint32_t i = m->live; i-- > 0;)
        sift_down(m, i);
    *error = 0;
    return m;
}

/* The next lines, about a megabyte of them, whole groups; *to is good until the next call. 0 at the end. */
API int64_t fm_merge_next(merge *m, const uint8_t **to)
{
    if (reserve(&m->out, 0))
        return NO_MEMORY;
    memmove(m->out.data, m->out.data + m->given, m->out.size - m->given);
    m->out.size -= m->given;
    m->group.begin -= m->group.count ? m->given : 0;
    m->given = 0;
    int error = 0;
    while (m->live) {
        run *r = &m->runs[m->heap[0]];
        error = group_line(&m->group, r->data.data + r->at, r->size, m->whole ? r->size - 1 : r->key_size);
        if (error || (error = advance(r, m->whole)))
            return error;
        if (!r->size)
            m->heap[0] = m->heap[--m->live];
        if (m->live)
            sift_down(m, 0);
        size_t whole = m->group.count ? m->group.begin : m->out.size;
        if (whole >= PIECE)
            break;
    }
    if (!m->live && (error = group_end(&m->group)))
        return error;
    m->given = m->group.count ? m->group.begin : m->out.size;
    *to = m->out.data;
    return (int64_t)m->given;
}

/* ---- the library itself ---- */

API int fm_version(void)
{
    return VERSION;
}

/* Turns the 16-byte instructions off and on, for tests. */
API void fm_use_simd(int use)
{
    use_simd = use;
}
