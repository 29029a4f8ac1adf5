/* Counting: documents to features, features to a table, the table to lines in order of their keys.
 *
 * Twin of mapreduce/features/counting.py. Features are looked up a batch at a time, so that the memory of a table that
 * is larger than the caches is asked for before it is needed.
 *
 * A table that is full is drained, and then the document that filled it is counted from its start. Where a document
 * alone fills it, it is counted in passes, each over a share of the features, and drained between them: every feature
 * is in one drain, so document frequencies are exact.
 */

#ifndef COUNT_H
#define COUNT_H

#include "bytes.h"
#include "tokenise.h"
#include "table.h"

/* ---- counting ---- */

enum { FULL = 1, MOST_BITS = 16, FEWEST = 8, FEW = 1 << 13, BUCKETS = 1 << 16 };

typedef struct counter {
    const tokenizer *tokenizer;
    int mode;
    table table;
    buffer normal, edges, clean, begins, scratch, out, ids;
    item batch[BATCH];
    int pending;
    uint32_t label, document;
    size_t counted;                        /* features of the present document */
    uint32_t pass, bits;                   /* of 2^bits passes over one document */
    uint32_t pass_mask, pass_tag;          /* a pass takes the features whose tags begin so */
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
    free(c->edges.data);
    free(c->clean.data);
    free(c->begins.data);
    free(c->scratch.data);
    free(c->out.data);
    free(c->ids.data);
    free(c->sorted);
    free(c->label_bytes.data);
    free(c->label_begin);
    free(c);
}

/* mode: 0 terms, 1 terms and documents, 2 the same by label. limit: bytes of memory. */
API counter *fm_counter_new(const tokenizer *t, int mode, uint64_t limit)
{
    counter *c = calloc(1, sizeof *c);
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
    if (c->labels == UINT32_MAX || size > LONGEST_DOCUMENT)
        return UNSUPPORTED;
    if (!(c->labels & (c->labels + 1))) { /* 0, 1, 3, 7, ...: space for twice as many */
        uint64_t *grown = realloc(c->label_begin, ((size_t)c->labels + 1) * 2 * sizeof *grown + sizeof *grown);
        if (!grown)
            return NO_MEMORY;
        grown[0] = 0;
        c->label_begin = grown;
    }
    if (append(&c->label_bytes, label, (size_t)size))
        return NO_MEMORY;
    c->label_begin[c->labels + 1] = c->label_bytes.size;
    return c->labels++;
}

static int count_all(counter *c)
{
    table *t = &c->table;
    int n = c->pending, wide = c->mode != TERMS;
    c->pending = 0;
    c->counted += (size_t)n;
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

/* Counts the batch, or returns FULL; however large keys are, a table takes a few. */
static int count_batch(counter *c)
{
    if (c->pending && c->table.full && c->table.used > FEWEST && c->bits < MOST_BITS) {
        c->pending = 0;
        return FULL;
    }
    return count_all(c);
}

/* Takes the first c->counted features of the present document out again; returns FULL when that is done. */
static int uncount_batch(counter *c)
{
    int n = c->pending;
    c->pending = 0;
    for (int i = 0; i < n && c->counted; i++, c->counted--) {
        slot *s = find(&c->table, &c->batch[i], c->label, c->mode != TERMS);
        s->tf--;
        if (c->mode != TERMS) {
            wide_slot *w = (wide_slot *)s;
            w->df -= w->last == c->document;
            w->last = w->last == c->document ? 0 : w->last;
        }
    }
    return c->counted ? 0 : FULL;
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
    if ((it->tag & c->pass_mask) != c->pass_tag)
        return 0;
    PREFETCH(slot_at(&c->table, it->tag & (c->table.capacity - 1)));
    return LIKELY(++c->pending < BATCH) ? 0 : full(c);
}

/* A feature that stands nowhere as it is: two bytes, and two parts. */
static inline int emit_parts(counter *c, char mark, const uint8_t *first, uint32_t first_length, const uint8_t *rest,
                             uint32_t rest_length, batch_function full)
{
    uint32_t length = 2 + first_length + rest_length;
    if (c->scratch.size + length + PAD > c->scratch.capacity) {
        int error = full(c);
        c->scratch.size = 0;
        if (error || reserve(&c->scratch, length + (BATCH << 6)))
            return error ? error : NO_MEMORY;
    }
    uint8_t *key = c->scratch.data + c->scratch.size;
    key[0] = ' ';
    key[1] = (uint8_t)mark;
    memcpy(key + 2, first, first_length);
    memcpy(key + 2 + first_length, rest, rest_length);
    c->scratch.size += length;
    int error = emit(c, key, length, full);
    if (!c->pending)
        c->scratch.size = 0;
    return error;
}

/* The same of one part. */
static int emit_prefixed(counter *c, char mark, const uint8_t *rest, uint32_t length, batch_function full)
{
    return emit_parts(c, mark, rest, 0, rest, length, full);
}

static int is_continuation(uint8_t b)
{
    return (b & 0xC0) == 0x80;
}

/* Words of the next chunk of a document, in c->normal: where they begin and end in turn. *to is good until the next
 * call. Returns how many numbers there are, or NO_MEMORY. */
static int64_t next_words(counter *c, const uint8_t *text, size_t size, const uint32_t **to)
{
    c->normal.size = 0;
    if (normalize(c->tokenizer, text, size, &c->normal) || reserve(&c->edges, (c->normal.size + 2 + 64) * 4))
        return NO_MEMORY;
    uint32_t *edge = (uint32_t *)(void *)c->edges.data;
    *to = edge;
    return (int64_t)edges(c->normal.data, c->normal.size, edge);
}

/* Appends words as "one two three " to c->clean, so that every n-gram stands there as it is, and to c->begins where
 * each of them begins. */
static int append_words(counter *c, const uint32_t *edge, size_t count)
{
    int characters = c->tokenizer->characters;
    buffer *to = &c->clean;
    if (reserve(to, 2 * c->normal.size) || reserve(&c->begins, (c->normal.size + 1) * 4))
        return NO_MEMORY;
    uint32_t *begin = (uint32_t *)(void *)(c->begins.data + c->begins.size);
    for (size_t i = 0; i < count; i += 2) {
        uint32_t at = edge[i], end = edge[i + 1];
        while (at < end) {
            uint32_t stop = characters ? at + 1 : end;
            while (stop < end && is_continuation(c->normal.data[stop]))
                stop++;
            *begin++ = (uint32_t)to->size;
            memcpy(to->data + to->size, c->normal.data + at, stop - at);
            to->size += stop - at;
            to->data[to->size++] = ' ';
            at = stop;
        }
    }
    c->begins.size = (size_t)((uint8_t *)begin - c->begins.data);
    return 0;
}

/* The characters of c->clean from `begin` to `end`, and the spaces around them. */
static int emit_characters(counter *c, char mark, uint32_t begin, uint32_t end, uint32_t width, batch_function full)
{
    const uint8_t *data = c->clean.data;
    uint32_t first = begin - 1, last = first, stop = end + 1; /* with the spaces around */
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
            int error = emit_prefixed(c, mark, data + first, last - first, full);
            if (error)
                return error;
        }
    }
    return 0;
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

/* All features of one document, in the order of the Python twin. */
static int features(counter *c, const uint8_t *text, size_t size, batch_function full)
{
    const tokenizer *t = c->tokenizer;
    int error = 0, words_alone = t->words_only && !t->characters;
    if (size > LONGEST_DOCUMENT / t->longest)
        return UNSUPPORTED;
    c->scratch.size = c->begins.size = c->clean.size = 0;
    if (!words_alone && append(&c->clean, " ", 1))
        return NO_MEMORY;
    for (uint64_t taken = 0, end; taken < size && !error; taken = end) { /* in chunks, for the sake of memory */
        const uint32_t *edge;
        end = chunk_end(t, text, taken, size);
        int64_t count = next_words(c, text + taken, (size_t)(end - taken), &edge);
        if (count < 0 || (!words_alone && append_words(c, edge, (size_t)count)))
            return NO_MEMORY;
        for (int64_t i = 0; i < count && words_alone && !error; i += 2)
            error = emit(c, c->normal.data + edge[i], edge[i + 1] - edge[i], full);
        if (words_alone && !error)
            error = full(c);
    }
    if (error || words_alone)
        return error;
    uint32_t sentinel = (uint32_t)c->clean.size;
    if (append(&c->begins, &sentinel, sizeof sentinel))
        return NO_MEMORY;
    const uint32_t *begin = (const uint32_t *)(const void *)c->begins.data; /* each word ends a byte before the next */
    int64_t words = (int64_t)(c->begins.size / 4) - 1;
    const uint8_t *data = c->clean.data;
    for (uint32_t k = 0; k < t->ngram_count && !error; k++) {
        uint32_t width = t->ngrams[k];
        for (int64_t i = 0; i + width <= words && !error; i++)
            error = emit(c, data + begin[i], begin[i + width] - 1 - begin[i], full);
    }
    for (uint32_t k = 0; k < t->character_ngram_count && !error; k++)
        for (int64_t i = 0; i < words && !error; i++)
            error = emit_characters(c, '~', begin[i], begin[i + 1] - 1, t->character_ngrams[k], full);
    for (int64_t i = 0; i < words && i < (int64_t)t->head && !error; i++)
        error = emit_prefixed(c, '^', data + begin[i], begin[i + 1] - 1 - begin[i], full);
    for (int64_t i = 0; t->skips && i + 2 < words && !error; i++) /* the space behind the first word is the one between */
        error = emit_parts(c, '_', data + begin[i], begin[i + 1] - begin[i], data + begin[i + 2],
                           begin[i + 3] - 1 - begin[i + 2], full);
    for (int64_t i = 0; i + 2 <= words && i < (int64_t)t->head_pairs && !error; i++)
        error = emit_prefixed(c, '&', data + begin[i], begin[i + 2] - 1 - begin[i], full);
    for (int64_t i = 1; i <= words && i <= (int64_t)t->prefixes && !error; i++)
        error = emit_prefixed(c, '<', data + begin[0], begin[i] - 1 - begin[0], full);
    for (uint32_t k = 0; words && k < t->across_count && !error; k++)
        error = emit_characters(c, '=', begin[0], begin[words] - 1, t->across[k], full);
    return error ? error : full(c);
}

static void begin_pass(counter *c, uint32_t pass, uint32_t bits)
{
    c->pass = pass;
    c->bits = bits;
    c->pass_mask = bits ? UINT32_MAX << (32 - bits) : 0;
    c->pass_tag = bits ? pass << (32 - bits) : 0;
}

/* Counts a document. Returns FULL where the table is to be drained before it is called with the same one again. */
static int count_document(counter *c, const uint8_t *text, size_t size)
{
    int is_alone = !c->table.used, error;
    if (c->documents == UINT32_MAX) /* a document frequency has 32 bits */
        return FULL;
    for (;;) {
        c->document++;
        c->counted = 0;
        error = features(c, text, size, count_batch);
        if (error != FULL)
            break;
        if (!is_alone)
            return features(c, text, size, uncount_batch);
        table_clear(&c->table);
        begin_pass(c, c->pass * 2, c->bits + 1);
    }
    if (error)
        return error;
    if ((c->pass + 1) >> c->bits == 0) {
        begin_pass(c, c->pass + 1, c->bits);
        return FULL;
    }
    begin_pass(c, 0, 0);
    c->documents++;
    return 0;
}

/* Counts the words of n bytes that do not end within a word; returns how many bytes were taken, fewer once the table
 * is full. */
API int64_t fm_count_block(counter *c, const uint8_t *data, uint64_t n)
{
    const tokenizer *t = c->tokenizer;
    uint64_t taken = 0;
    while (taken < n && !c->table.full) {
        uint64_t end = chunk_end(t, data, taken, n);
        const uint32_t *edge;
        if (end - taken > LONGEST_DOCUMENT / t->longest)
            return taken ? (int64_t)taken : UNSUPPORTED;
        int64_t count = next_words(c, data + taken, (size_t)(end - taken), &edge);
        int error = count < 0 ? NO_MEMORY : 0;
        for (int64_t i = 0; i < count && !error; i += 2)
            error = emit(c, c->normal.data + edge[i], edge[i + 1] - edge[i], count_all);
        if (error || (error = count_all(c)))
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
            return error == FULL || (error == UNSUPPORTED && taken) ? (int64_t)taken : error;
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
            return error == FULL || (error == UNSUPPORTED && i) ? (int64_t)i : error;
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
        r[i].second = prefix_at(r[i].key, r[i].length, 8);
        r[i].order = r[i].index = i;
    }
    radix_sort(r, c->labels, 0, 56);
    for (uint32_t i = 0; i < c->labels; i++)
        rank[r[i].index] = i;
}

/* Where each bucket of keys begins, by their first two bytes; or NULL where they are few. */
static uint32_t *first_buckets(const table *t)
{
    uint32_t *begin = t->used > FEW ? calloc(BUCKETS, sizeof *begin) : NULL, sum = 0;
    for (size_t i = 0; begin && i < t->capacity; i++)
        if (slot_at(t, i)->length)
            begin[number_of((const uint8_t *)&slot_at(t, i)->low) >> 48]++;
    for (size_t b = 0; begin && b < BUCKETS; b++) {
        uint32_t n = begin[b];
        begin[b] = sum;
        sum += n;
    }
    return begin;
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
    uint32_t *bucket = first_buckets(t), n = 0;
    for (size_t i = 0; i < t->capacity; i++) {
        const slot *s = slot_at(t, i);
        if (!s->length)
            continue;
        uint64_t prefix = number_of((const uint8_t *)&s->low);
        reference *r = &c->sorted[bucket ? bucket[prefix >> 48]++ : n++];
        r->key = key_bytes(t, s);
        r->length = s->length - 1;
        r->prefix = prefix;
        r->second = r->length <= INLINE_KEY ? number_of((const uint8_t *)&s->high) : prefix_at(r->key, r->length, 8);
        r->order = c->mode == LABELLED ? rank[((const wide_slot *)s)->label] : 0;
        r->index = (uint32_t)i;
    }
    free(rank);
    if (!bucket)
        radix_sort(c->sorted, n, 0, 56);
    for (size_t b = 0; bucket && b < BUCKETS; b++) { /* where one begins the next began before it was filled */
        radix_sort(c->sorted + n, bucket[b] - n, 0, 40);
        n = bucket[b];
    }
    free(bucket);
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
        if (!s->tf)
            continue; /* counted, and taken out again */
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

#endif
