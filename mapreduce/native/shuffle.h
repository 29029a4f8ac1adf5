/* The shuffle: lines `key TAB value` to sorted runs, one a partition, and runs to one sorted stream.
 *
 * Lines are sorted by key; by the whole line; or by key and then value, which is not the same, since a key may hold
 * bytes below the tab. Memory holds a piece of each run and of the output, however many lines have one key.
 *
 * Twin of mapreduce/shuffle: sums.py for groups of equal keys, spill.py and merge.py for the rest. It knows integers
 * behind a key, and no other values.
 */

#ifndef SHUFFLE_H
#define SHUFFLE_H

#include "bytes.h"
#include "table.h"

enum { BY_KEY = 0, BY_LINE = 1, BY_VALUE = 2 };

/* ---- groups: what becomes of lines with equal keys ---- */

/* IN_ORDER: as they are, out of runs that are sorted by value. */
enum { AS_IS = 0, ADD = 1, ADD_LABELLED = 2, IN_ORDER = 3 };

typedef struct {
    int kind;
    int64_t minimum; /* ADD_LABELLED: the least sum of the last column */
    buffer *out;
    size_t begin, key_size, count;
    size_t most; /* ADD_LABELLED: bytes at which the lines so far are added up by label */
    int columns;
    int64_t sums[COLUMNS];
    buffer spare;
} group;

/* Columns of integers of up to 18 digits from p to end; how many, or -1 where they are not written as Python would. */
static int parse_columns(const uint8_t *p, const uint8_t *end, int64_t *to)
{
    int columns = 0;
    for (;;) {
        int negative = p < end && *p == '-';
        int64_t value = 0;
        const uint8_t *first = p += negative;
        for (; p < end && p - first < 18 && (uint8_t)(*p - '0') < 10; p++)
            value = value * 10 + (*p - '0');
        if (p == first || columns == COLUMNS)
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

/* Neither is beyond 4 * 10^18, so that their sum is no overflow. */
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
    const uint8_t *label;
    size_t size;
    int64_t sums[COLUMNS];
    int columns;
} member;

static int by_label(const void *a, const void *b)
{
    const member *x = a, *y = b;
    return compare_bytes(x->label, x->size, y->label, y->size);
}

/* Adds up, by label, the lines of the group that stand in `out`; they stay as they are on failure. At the end of the
 * group they go where their sums are too small. */
static int add_members(group *g, int is_end)
{
    buffer *out = g->out;
    int error = 0;
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
        m[n].label = p + g->key_size + (p + g->key_size < stop);
        const uint8_t *tab = memchr(m[n].label, '\t', (size_t)(stop - m[n].label));
        m[n].size = tab ? (size_t)(tab - m[n].label) : 0;
        m[n].columns = tab ? parse_columns(tab + 1, stop, m[n].sums) : -1;
        if (m[n].columns < 0)
            error = UNSUPPORTED;
        p = stop + 1;
    }
    if (!error)
        qsort(m, n, sizeof *m, by_label);
    int64_t total = 0;
    for (size_t i = 0; i < n && !error; i++) {
        int64_t last = m[i].sums[m[i].columns - 1];
        if (!kept || by_label(&m[kept - 1], &m[i]))
            m[kept++] = m[i];
        else if (m[kept - 1].columns != m[i].columns || add_columns(m[kept - 1].sums, m[i].sums, m[i].columns))
            error = UNSUPPORTED;
        if (add_columns(&total, &last, 1))
            error = UNSUPPORTED;
    }
    if (!error) {
        out->size = g->begin;
        if (is_end && total < g->minimum)
            kept = 0;
        for (size_t i = 0; i < kept && !error; i++) {
            error = append(out, g->spare.data, g->key_size);
            error = error ? error : append(out, "\t", 1);
            error = error ? error : append(out, m[i].label, m[i].size);
            error = error ? error : append(out, "\t", 1);
            error = error ? error : put_columns(out, m[i].sums, m[i].columns);
        }
        g->count = kept;
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
    } else if (g->count > 1 && g->kind == ADD_LABELLED) {
        error = add_members(g, 1);
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
    if (g->kind == AS_IS || g->kind == IN_ORDER)
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
        if (out->size - g->begin > g->most) {
            int error = add_members(g, 0);
            size_t left = out->size - g->begin;
            g->most = left > PIECE / 2 ? 2 * left : PIECE;
            if (error) {
                g->count = 0;
                return error;
            }
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
    g->most = PIECE;
    return append(out, line, size);
}

/* ---- spill: lines to sorted runs, one a partition ---- */

typedef struct {
    buffer lines, out;
    reference *sorted;
    size_t count, capacity, limit;
    uint32_t reduces, seed;
    int kind, order, ascending;
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

/* seed: what the partitioner's hash starts at. kind: how lines of one key are combined. order: what is sorted by. */
API spill *fm_spill_new(uint32_t reduces, uint32_t seed, int kind, int order, uint64_t limit)
{
    spill *s = calloc(1, sizeof *s);
    if (s) {
        s->reduces = reduces;
        s->seed = seed;
        s->kind = kind;
        s->order = order;
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

/* Whether a line is to stand after the next one. */
static int is_out_of_order(const spill *s, const reference *r, const uint8_t *line, const reference *next,
                           const uint8_t *next_line)
{
    if (r->prefix != next->prefix)
        return r->prefix > next->prefix;
    int c = compare_bytes(line, r->length, next_line, next->length);
    if (!c && s->order == BY_VALUE)
        c = compare_bytes(line + r->length, r->index - 1 - r->length, next_line + next->length,
                          next->index - 1 - next->length);
    return c > 0;
}

static int take_lines(spill *s, size_t at, size_t end)
{
    while (at < end) {
        const uint8_t *line = s->lines.data + at;
        const uint8_t *stop = memchr(line, '\n', end - at);
        size_t size = stop ? (size_t)(stop - line) : 0;
        const uint8_t *tab = s->order == BY_LINE ? stop : memchr(line, '\t', size);
        if (!stop || !tab || size >= INT32_MAX || s->count >= UINT32_MAX)
            return UNSUPPORTED;
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
        r->length = (uint32_t)(tab - line);
        r->order = (uint32_t)s->count;
        r->prefix = prefix_at(line, r->length, 0);
        r->key = NULL;
        if (s->ascending && s->count && is_out_of_order(s, r - 1, line - r[-1].index, r, line))
            s->ascending = 0;
        s->count++;
        at += size + 1;
    }
    return 0;
}

/* Takes whole lines, each with its LF, or none of them and returns UNSUPPORTED: where one has no tab, and whole lines
 * are not what is sorted. Returns 1 when it is time to spill, else 0. */
API int64_t fm_spill_write(spill *s, const uint8_t *data, uint64_t n)
{
    size_t before = s->lines.size, count = s->count;
    int error = append(&s->lines, data, (size_t)n) ? NO_MEMORY : take_lines(s, before, before + (size_t)n);
    if (error) {
        s->lines.size = before;
        s->count = count;
        return error;
    }
    return s->lines.size + s->count * (sizeof(reference) + 8) > s->limit;
}

static int write_out(FILE *file, buffer *out, size_t size)
{
    for (size_t written = 0; written < size;) {
        errno = 0;
        written += fwrite(out->data + written, 1, size - written, file);
        if (written < size && errno != EINTR)
            return errno ? -errno : -EIO;
    }
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
        error = group_line(&g, r->key, r->index, r->length);
        if (error == UNSUPPORTED) { /* a combiner may leave lines as they are */
            error = g.count > 1 ? group_end(&g) : 0;
            g.count = 0;
            error = error ? error : append(&s->out, r->key, r->index);
        }
        if (!error && s->out.size > PIECE && g.begin > 0 && g.count) {
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

/* Sorts lines that are sorted by key by value, too. */
static void sort_values(reference *r, size_t n)
{
    for (size_t i = 0, end; i < n; i = end) {
        uint32_t key = r[i].length;
        for (end = i + 1; end < n && !compare_bytes(r[i].key, key, r[end].key, r[end].length);)
            end++;
        if (end - i == 1)
            continue;
        for (size_t k = i; k < end; k++) {
            r[k].key += key;
            r[k].length = r[k].index - 1 - key;
            r[k].prefix = prefix_at(r[k].key, r[k].length, 0);
            r[k].second = prefix_at(r[k].key, r[k].length, 8);
        }
        radix_sort(r + i, end - i, 0, 56);
        for (size_t k = i; k < end; k++) {
            r[k].key -= key;
            r[k].length = key;
        }
    }
}

/* Sorts, combines and writes what it holds to paths[partition], and is empty again; sizes[partition] is the number
 * of lines there, before combining; without any no file is written. Returns the size of the longest line. */
API int64_t fm_spill_flush(spill *s, const char *const *paths, uint64_t *sizes)
{
    size_t at = 0, n = s->count;
    uint32_t longest = 0, *part = malloc((n + 1) * sizeof *part), *which = malloc((n + 1) * sizeof *which);
    size_t *begin = calloc((size_t)s->reduces + 2, sizeof *begin);
    int error = part && which && begin ? 0 : NO_MEMORY;
    for (size_t i = 0; i < n; i++) {
        s->sorted[i].key = s->lines.data + at;
        if (!s->ascending)
            s->sorted[i].second = prefix_at(s->sorted[i].key, s->sorted[i].length, 8);
        at += s->sorted[i].index;
        longest = s->sorted[i].index > longest ? s->sorted[i].index : longest;
    }
    if (!error && !s->ascending)
        radix_sort(s->sorted, n, 0, 56);
    if (!error && !s->ascending && s->order == BY_VALUE)
        sort_values(s->sorted, n);
    for (size_t i = 0; i < n && !error; i++) {
        const reference *r = &s->sorted[i];
        size_t key_size = r->length;
        if (s->order == BY_LINE) {
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
    return error ? error : (int64_t)longest;
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
    int order;
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
static int advance(run *r, int order)
{
    r->at += r->size;
    for (size_t searched = 0;;) {
        const uint8_t *line = r->data.data + r->at;
        size_t there = r->data.size - r->at;
        const uint8_t *stop = there > searched ? memchr(line + searched, '\n', there - searched) : NULL;
        if (stop) {
            r->size = (size_t)(stop - line) + 1;
            const uint8_t *tab = order == BY_LINE ? NULL : memchr(line, '\t', r->size - 1);
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
        if (!got && ferror(r->file) && errno == EINTR) {
            clearerr(r->file);
        } else if (!got) {
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
    const uint8_t *one = x->data.data + x->at, *other = y->data.data + y->at;
    int c = compare_bytes(one, x->key_size, other, y->key_size);
    if (!c && m->order == BY_VALUE)
        c = compare_bytes(one + x->key_size, x->size - 1 - x->key_size, other + y->key_size,
                          y->size - 1 - y->key_size);
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
API merge *fm_merge_new(const char *const *paths, uint32_t count, int kind, int order, int64_t minimum, int64_t *error)
{
    merge *m = calloc(1, sizeof *m);
    *error = NO_MEMORY;
    if (!m)
        return NULL;
    m->runs = calloc((size_t)count + 1, sizeof *m->runs);
    m->heap = calloc((size_t)count + 1, sizeof *m->heap);
    m->order = order;
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
        if (*error || (*error = advance(r, order))) {
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
        error = group_line(&m->group, r->data.data + r->at, r->size, r->key_size);
        if (error || (error = advance(r, m->order)))
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

#endif
