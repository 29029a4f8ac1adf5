/* Fuzzes the native library: builds a specification, documents and lines out of arbitrary bytes and runs all of it.
 *
 * It is one file with the library, so sanitizers see both. With clang: -fsanitize=fuzzer,address,undefined. Without
 * libFuzzer (-DSTANDALONE) it makes its own inputs: `fuzz_native SECONDS SEED FOLDER`. What it checks itself: the terms
 * of a document sum to the same in every mode, a small table to the same as a large one, and merges come out sorted.
 */

#include "../../../mapreduce/native/native.c"

#include <time.h>

static const char *folder = "/tmp";

static void check(int is_right, const char *what)
{
    if (!is_right) {
        fprintf(stderr, "fuzz_native: %s\n", what);
        abort();
    }
}

typedef struct {
    const uint8_t *data;
    size_t left;
} source;

static uint8_t take(source *s)
{
    if (!s->left)
        return 0;
    s->left--;
    return *s->data++;
}

static tokenizer *any_tokenizer(source *s)
{
    static const char *pieces[] = {"", " ", "x", " ! ", "\t", "aa", "\n", "\xc3\xa9"};
    uint8_t text[1024];
    uint32_t offsets[257], at = 0, ngrams[3], characters[2], n = take(s) % 4u, m = take(s) % 3u;
    uint8_t changed[128] = {0};
    for (int i = take(s) % 24; i > 0; i--)
        changed[take(s) % 128] = (uint8_t)(1 + take(s) % 8);
    for (uint32_t b = 0; b < 256; b++) {
        offsets[b] = at;
        if (b < 128 && changed[b] && b != 10) {
            const char *piece = pieces[changed[b] - 1];
            memcpy(text + at, piece, strlen(piece));
            at += (uint32_t)strlen(piece);
        } else {
            text[at++] = (uint8_t)b;
        }
    }
    offsets[256] = at;
    for (uint32_t i = 0; i < n; i++)
        ngrams[i] = 1 + i + take(s) % 2u * 2;
    for (uint32_t i = 0; i < m; i++)
        characters[i] = 1 + i * 2 + take(s) % 2u;
    return fm_tokenizer_new(text, offsets, take(s) % 4 == 0, ngrams, n, characters, m, take(s) % 4u);
}

/* The sum of the first number behind the first tab of each line. */
static uint64_t drained(counter *c)
{
    const uint8_t *p;
    uint64_t total = 0;
    int64_t size;
    while ((size = fm_drain(c, &p)) > 0) {
        check(p[size - 1] == '\n', "a piece ends within a line");
        for (const uint8_t *end = p + size; p < end;) {
            const uint8_t *tab = memchr(p, '\t', (size_t)(end - p));
            check(tab != NULL, "a line without a tab");
            if (c->mode == LABELLED)
                tab = memchr(tab + 1, '\t', (size_t)(end - tab - 1));
            if (tab != p) /* the number of documents is no term */
                total += strtoull((const char *)tab + 1, NULL, 10);
            p = (const uint8_t *)memchr(tab, '\n', (size_t)(end - tab)) + 1;
        }
    }
    check(size == 0, "drain failed");
    return total;
}

static uint64_t counted(const tokenizer *t, int mode, uint64_t limit, const uint8_t *data, size_t size)
{
    counter *c = fm_counter_new(t, mode, limit);
    uint64_t total = 0;
    if (mode == LABELLED) {
        fm_counter_label(c, (const uint8_t *)"b", 1);
        fm_counter_label(c, (const uint8_t *)"a", 1);
    }
    for (size_t at = 0; at < size;) {
        int64_t taken;
        if (mode == LABELLED) {
            uint64_t sizes[2] = {(size - at) / 2, size - at - (size - at) / 2};
            uint32_t labels[2] = {1, 0};
            taken = fm_count_documents(c, data + at, sizes, labels, 2);
            taken = taken == 2 ? (int64_t)(size - at) : taken == 1 ? (int64_t)sizes[0] : taken;
        } else {
            taken = fm_count_lines(c, data + at, size - at);
        }
        check(taken >= 0, "counting failed");
        at += (size_t)taken;
        total += drained(c);
    }
    total += drained(c);
    fm_counter_free(c);
    return total;
}

static void fuzz_counting(source *s)
{
    tokenizer *t = any_tokenizer(s);
    uint8_t *copy = malloc(s->left + 1); /* exactly as large as it says, so that reading beyond is seen */
    memcpy(copy, s->data, s->left);
    copy[s->left] = '\n';
    size_t size = s->left + 1;
    uint64_t terms = counted(t, TERMS, 1 << 20, copy, size);
    check(terms == counted(t, TERMS, 1, copy, size), "a small table counts something else");
    check(terms == counted(t, DOCUMENTS, 1 << 20, copy, size), "documents count something else");
    counted(t, LABELLED, 1 << 20, copy, size);
    if (t->words_only && !t->characters) {
        counter *c = fm_counter_new(t, TERMS, 1 << 20);
        uint64_t total = 0;
        for (size_t at = 0; at < size;) {
            int64_t taken = fm_count_block(c, copy + at, size - at);
            check(taken > 0, "a block was not taken");
            at += (size_t)taken;
            total += drained(c);
        }
        check(terms == total, "a block counts something else than its lines");
        fm_counter_free(c);
    }
    counter *c = fm_counter_new(t, TERMS, 1 << 20);
    fm_counter_id(c, (const uint8_t *)"a", 1, 2);
    fm_counter_id(c, copy, size < 40 ? size : 40, 3);
    uint64_t sizes[2] = {size / 2, size - size / 2}, label_sizes[2] = {1, 0};
    const uint8_t *p;
    int64_t encoded = fm_encode(c, copy, sizes, copy, sizes, (const uint8_t *)"L", label_sizes, 2, copy,
                                size < 64 ? size : 64, &p);
    check(encoded > 0 && p[encoded - 1] == '\n', "encode failed");
    fm_counter_free(c);
    fm_tokenizer_free(t);
    free(copy);
}

static void fuzz_shuffle(source *s)
{
    int kind = take(s) % 4, whole = kind == AS_IS && take(s) % 2, runs = 1 + take(s) % 3;
    uint32_t reduces = 1 + take(s) % 3u, written = 0;
    char names[16][256];
    const char *paths[16];
    spill *sp = fm_spill_new(reduces, take(s) % 2, kind == IN_ORDER ? AS_IS : kind, whole, 1 << 16);
    size_t each = s->left / (size_t)runs;
    for (int r = 0; r < runs; r++) {
        buffer lines = {0};
        uint64_t sizes[4];
        append(&lines, s->data + each * (size_t)r, each);
        append(&lines, "\n", 1);
        fm_spill_write(sp, lines.data, lines.size); /* refuses lines without a tab, and has taken none then */
        int64_t result = fm_spill_write(sp, (const uint8_t *)"k\t1\nk\t2\nj\tL\t3\n", 14);
        check(result >= 0, "spill refuses lines");
        free(lines.data);
        for (uint32_t p = 0; p < reduces; p++) {
            snprintf(names[written + p], sizeof names[0], "%s/fuzz-%u", folder, written + p);
            paths[written + p] = names[written + p];
        }
        check(fm_spill_flush(sp, paths + written, sizes) == 0, "flush failed");
        uint32_t kept = written;
        for (uint32_t p = 0; p < reduces; p++)
            if (sizes[p]) {
                memmove(names[kept], names[written + p], sizeof names[0]);
                paths[kept] = names[kept];
                kept++;
            }
        written = kept;
    }
    fm_spill_free(sp);
    int64_t error = 0, size = 0;
    merge *m = fm_merge_new(paths, written, kind, whole, take(s) % 2 ? 1 : INT64_MIN, &error);
    check(m != NULL && error == 0, "merge failed to open");
    const uint8_t *p, *before = NULL;
    size_t before_size = 0;
    while ((size = fm_merge_next(m, &p)) > 0) {
        before = NULL;
        for (const uint8_t *end = p + size; p < end;) {
            const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
            const uint8_t *tab = whole ? NULL : memchr(p, '\t', (size_t)(stop - p));
            size_t key = (size_t)((tab ? tab : stop) - p);
            check(!before || compare_bytes(before, before_size, p, key) <= 0, "a merge is out of order");
            before = p;
            before_size = key;
            p = stop + 1;
        }
    }
    check(size == 0 || size == UNSUPPORTED, "merge failed");
    fm_merge_free(m);
    for (uint32_t i = 0; i < written; i++)
        remove(paths[i]);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    source s = {data, size};
    int64_t lines = fm_scan(data, size);
    check((lines < 0 ? ~lines : lines) <= (int64_t)size, "more lines than bytes");
    use_simd = take(&s) % 2;
    if (take(&s) % 2)
        fuzz_counting(&s);
    else
        fuzz_shuffle(&s);
    return 0;
}

#if defined(STANDALONE)
static uint64_t state;

static uint32_t draw(uint32_t below)
{
    state = state * 6364136223846793005u + 1442695040888963407u;
    return (uint32_t)(state >> 33) % below;
}

int main(int count, char **arguments)
{
    static const char usual[] = "aab \t\n\n1 2\t7\r!A\xc3\xa9\x80\0";
    time_t until = time(NULL) + (count > 1 ? atoi(arguments[1]) : 10);
    state = count > 2 ? strtoull(arguments[2], NULL, 10) : 1;
    folder = count > 3 ? arguments[3] : folder;
    uint8_t *data = malloc(1 << 16);
    unsigned long runs = 0;
    for (; time(NULL) < until; runs++) {
        size_t size = draw(4) ? draw(200) : draw(1 << 16);
        uint32_t odd = draw(3) ? 9 : 2;
        for (size_t i = 0; i < size; i++)
            data[i] = i < 40 || !draw(odd) ? (uint8_t)draw(256) : (uint8_t)usual[draw(sizeof usual)];
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    fprintf(stderr, "fuzz_native: %lu inputs\n", runs);
    return 0;
}
#endif
