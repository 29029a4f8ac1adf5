/* Tokenizer: the character table of a byte-level specification, and where words begin and end.
 *
 * Twin of mapreduce/tokens/tokenizer.py. 16-byte instructions do the table where the compiler or, at run time, the
 * processor has them; a scalar twin does it elsewhere. N-grams are made in count.h.
 */

#ifndef TOKENISE_H
#define TOKENISE_H

#include "bytes.h"

/* ---- tokenizer: the character table, words and features ---- */

typedef struct {
    uint8_t one[256], keep[256], longer[256]; /* the single byte; 0 where deleted; 1 where the text is needed */
    uint32_t offsets[257];
    uint8_t *text;
    uint32_t longest;
    int identity, deletes, expands;
    int characters; /* every character is a word */
    uint32_t *ngrams, *character_ngrams, *across; /* widths; the last are of characters across words */
    uint32_t ngram_count, character_ngram_count, across_count, head, skips, head_pairs, prefixes;
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
    free(t->across);
    free(t);
}

/* offsets: 257 places in text; byte b is replaced by text[offsets[b]] to text[offsets[b + 1]]. Bytes from 128 on
 * stay as they are. */
API tokenizer *fm_tokenizer_new(const uint8_t *text, const uint32_t *offsets, int characters, const uint32_t *ngrams,
                                uint32_t ngram_count, const uint32_t *character_ngrams,
                                uint32_t character_ngram_count, const uint32_t *across, uint32_t across_count,
                                uint32_t head, uint32_t skips, uint32_t head_pairs, uint32_t prefixes)
{
    tokenizer *t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->ngrams = copy_numbers(ngrams, ngram_count);
    t->character_ngrams = copy_numbers(character_ngrams, character_ngram_count);
    t->across = copy_numbers(across, across_count);
    t->text = malloc((size_t)offsets[256] + 1);
    if (!t->ngrams || !t->character_ngrams || !t->across || !t->text) {
        fm_tokenizer_free(t);
        return NULL;
    }
    memcpy(t->text, text, offsets[256]);
    memcpy(t->offsets, offsets, sizeof t->offsets);
    t->ngram_count = ngram_count;
    t->character_ngram_count = character_ngram_count;
    t->across_count = across_count;
    t->head = head;
    t->skips = skips;
    t->head_pairs = head_pairs;
    t->prefixes = prefixes;
    t->characters = characters;
    t->words_only = ngram_count == 1 && ngrams[0] == 1 && !character_ngram_count && !across_count && !head && !skips &&
                    !head_pairs && !prefixes;
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

#endif
