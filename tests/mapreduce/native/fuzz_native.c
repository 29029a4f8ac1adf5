/* Fuzzes the native library: builds a specification, documents and lines out of arbitrary bytes and runs all of it.
 *
 * It is one file with the library, so sanitizers see both. With clang: -fsanitize=fuzzer,address,undefined. Without
 * libFuzzer (-DSTANDALONE) it makes its own inputs: `fuzz_native SECONDS SEED FOLDER`. What it checks itself: the terms
 * of a document sum to the same in every mode; a table that documents fill, so that they are counted in passes, says what
 * a large one says; a refusal leaves nothing behind; merges come out sorted, with every line or its share of the sums.
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
    uint32_t offsets[257], at = 0, ngrams[3], characters[2], across[1], n = take(s) % 4u, m = take(s) % 3u;
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
    across[0] = 1 + take(s) % 9u;
    uint32_t more = take(s); /* every other time none of what is rare */
    return fm_tokenizer_new(text, offsets, take(s) % 4 == 0, ngrams, n, characters, m, across, more >> 1 & more & 1,
                            take(s) % 4u, more >> 2 & more & 1, (more & 1) * (more >> 3 & 3), (more & 1) * (more >> 5 & 7));
}

typedef struct {
    uint64_t terms, tf, df; /* how many terms; what all lines say, whatever their order and however they are cut */
} sums;

static uint64_t hash_of(const uint8_t *p, const uint8_t *end)
{
    uint64_t h = 14695981039346656037u;
    for (; p < end; p++)
        h = (h ^ *p) * 1099511628211u;
    return h;
}

/* Adds what the lines of a table say; within it they ascend. */
static void add_drained(counter *c, sums *to)
{
    const uint8_t *p, *before = NULL;
    size_t before_size = 0;
    int64_t size;
    while ((size = fm_drain(c, &p)) > 0) {
        check(p[size - 1] == '\n', "a piece ends within a line");
        before = NULL; /* its bytes are gone */
        for (const uint8_t *end = p + size; p < end;) {
            const uint8_t *stop = memchr(p, '\n', (size_t)(end - p)), *tab = memchr(p, '\t', (size_t)(stop - p));
            check(tab != NULL, "a line without a tab");
            size_t key_size = (size_t)(tab - p);
            check(!before || compare_bytes(before, before_size, p, key_size) <= (c->mode == LABELLED ? 0 : -1),
                  "a table is out of order");
            before = p;
            before_size = key_size;
            if (c->mode == LABELLED)
                tab = memchr(tab + 1, '\t', (size_t)(stop - tab - 1));
            uint64_t h = hash_of(p, tab), tf = strtoull((const char *)tab + 1, NULL, 10);
            check(tf > 0 || tab == p, "a term that is not there");
            to->terms += tab != p ? tf : 0; /* the number of documents is no term */
            to->tf += h * tf;
            if (c->mode != TERMS)
                to->df += h * strtoull((const char *)memchr(tab + 1, '\t', (size_t)(stop - tab - 1)) + 1, NULL, 10);
            p = stop + 1;
        }
    }
    check(size == 0, "drain failed");
}

static sums counted(const tokenizer *t, int mode, uint64_t limit, const uint8_t *data, size_t size)
{
    counter *c = fm_counter_new(t, mode, limit);
    sums total = {0};
    uint64_t sizes[6], left = size;
    uint32_t labels[6], first = 0;
    c->table.limit = (size_t)limit; /* less than it would take for itself */
    fm_counter_label(c, (const uint8_t *)"b", 1);
    fm_counter_label(c, (const uint8_t *)"a", 1);
    for (uint32_t i = 0; i < 6; i++) {
        sizes[i] = i < 5 ? left / 3 : left;
        labels[i] = i % 2;
        left -= sizes[i];
    }
    for (size_t at = 0; mode == LABELLED ? first < 6 : at < size;) {
        int64_t taken;
        if (mode == LABELLED) {
            taken = fm_count_documents(c, data + at, sizes + first, labels + first, 6 - first);
            check(taken >= 0, "counting failed");
            for (; taken > 0; taken--)
                at += sizes[first++];
        } else {
            taken = fm_count_lines(c, data + at, size - at);
            check(taken >= 0, "counting failed");
            at += (size_t)taken;
        }
        add_drained(c, &total);
    }
    check(!c->pass && !c->bits, "a pass was left over");
    add_drained(c, &total);
    fm_counter_free(c);
    return total;
}

static int are_equal(sums a, sums b)
{
    return a.terms == b.terms && a.tf == b.tf && a.df == b.df;
}

static void fuzz_counting(source *s)
{
    tokenizer *t = any_tokenizer(s);
    uint8_t *copy = malloc(s->left + 1); /* exactly as large as it says, so that reading beyond is seen */
    memcpy(copy, s->data, s->left);
    copy[s->left] = '\n';
    size_t size = s->left + 1;
    sums terms = counted(t, TERMS, 1 << 28, copy, size), documents = counted(t, DOCUMENTS, 1 << 28, copy, size);
    check(are_equal(terms, counted(t, TERMS, 1, copy, size)), "a small table counts something else");
    check(terms.terms == documents.terms, "documents count something else");
    check(are_equal(documents, counted(t, DOCUMENTS, 1, copy, size)), "passes count other documents");
    sums labelled = counted(t, LABELLED, 1 << 28, copy, size);
    check(are_equal(labelled, counted(t, LABELLED, 1 << 18, copy, size)), "passes count other labels");
    if (t->words_only && !t->characters) {
        counter *c = fm_counter_new(t, TERMS, 1 << 20);
        sums total = {0};
        for (size_t at = 0; at < size;) {
            int64_t taken = fm_count_block(c, copy + at, size - at);
            check(taken > 0, "a block was not taken");
            at += (size_t)taken;
            add_drained(c, &total);
        }
        check(are_equal(terms, total), "a block counts something else than its lines");
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
    check(size <= 64 || fm_encode(c, copy, sizes, copy, sizes, copy, label_sizes, 2, copy, 65, &p) == UNSUPPORTED,
          "a salt that is too long");
    fm_counter_free(c);
    fm_tokenizer_free(t);
    free(copy);
}

/* Takes lines, or none of them; what they are goes into *sum. */
static void write_lines(spill *sp, const uint8_t *lines, size_t size, uint64_t *sum)
{
    size_t count = sp->count, held = sp->lines.size;
    int64_t result = fm_spill_write(sp, lines, size);
    if (result < 0) {
        check(result == UNSUPPORTED && sp->count == count && sp->lines.size == held, "a refusal leaves something behind");
        return;
    }
    for (const uint8_t *end = lines + size; lines < end;) {
        const uint8_t *stop = memchr(lines, '\n', (size_t)(end - lines));
        *sum += hash_of(lines, stop);
        lines = stop + 1;
    }
}

/* Whether a line, without its end, may stand before another. */
static int may_precede(const uint8_t *a, size_t a_size, const uint8_t *b, size_t b_size, int order)
{
    const uint8_t *one = order == BY_LINE ? NULL : memchr(a, '\t', a_size);
    const uint8_t *other = order == BY_LINE ? NULL : memchr(b, '\t', b_size);
    size_t a_key = one ? (size_t)(one - a) : a_size, b_key = other ? (size_t)(other - b) : b_size;
    int c = compare_bytes(a, a_key, b, b_key);
    if (!c && order == BY_VALUE)
        c = compare_bytes(a + a_key, a_size - a_key, b + b_key, b_size - b_key);
    return c <= 0;
}

static void fuzz_shuffle(source *s)
{
    int kind = take(s) % 4, order = kind == IN_ORDER ? BY_VALUE : kind == AS_IS ? take(s) % 3 : BY_KEY;
    int runs = 1 + take(s) % 3, are_many = take(s) % 16 == 0, keeps = kind == AS_IS || kind == IN_ORDER;
    uint32_t reduces = 1 + take(s) % 3u, written = 0;
    uint64_t in = 0, out = 0, many = 0;
    char names[16][256];
    const char *paths[16];
    spill *sp = fm_spill_new(reduces, take(s) % 2, kind == IN_ORDER ? AS_IS : kind, order, 1 << 16);
    size_t each = s->left / (size_t)runs;
    for (int r = 0; r < runs; r++) {
        buffer lines = {0};
        uint64_t sizes[4];
        append(&lines, s->data + each * (size_t)r, each);
        append(&lines, "\n", 1);
        write_lines(sp, lines.data, lines.size, &in);
        write_lines(sp, lines.data, lines.size - 1, &in); /* the end of a line is not there */
        write_lines(sp, (const uint8_t *)"k\t1\nk\t2\nj\tL\t3\n", 14, &in);
        lines.size = 0;
        for (int i = 0; are_many && i < 90000; i++) { /* of one key, more than are held */
            char line[64];
            append(&lines, line, (size_t)snprintf(line, sizeof line, "many\tlabel%d\t1\n", i % 7));
        }
        if (are_many)
            write_lines(sp, lines.data, lines.size, &in);
        free(lines.data);
        for (uint32_t p = 0; p < reduces; p++) {
            snprintf(names[written + p], sizeof names[0], "%s/fuzz-%u", folder, written + p);
            paths[written + p] = names[written + p];
        }
        check(fm_spill_flush(sp, paths + written, sizes) > 0, "flush failed");
        uint32_t kept = written;
        for (uint32_t p = 0; p < reduces; p++)
            if (sizes[p]) {
                if (kept != written + p)
                    check(rename(names[written + p], names[kept]) == 0, "a run is gone");
                kept++;
            }
        written = kept;
    }
    fm_spill_free(sp);
    int64_t error = 0, size = 0;
    merge *m = fm_merge_new(paths, written, kind, order, take(s) % 2 ? 1 : INT64_MIN, &error);
    check(m != NULL && error == 0, "merge failed to open");
    const uint8_t *p;
    buffer before = {0};
    int is_first = 1;
    while ((size = fm_merge_next(m, &p)) > 0) {
        check(m->out.capacity < 8 * PIECE, "a merge holds more than it needs");
        for (const uint8_t *end = p + size; p < end;) {
            const uint8_t *stop = memchr(p, '\n', (size_t)(end - p));
            size_t length = (size_t)(stop - p);
            check(is_first || may_precede(before.data, before.size, p, length, order), "a merge is out of order");
            is_first = 0;
            before.size = 0;
            append(&before, p, length);
            out += hash_of(p, stop);
            if (length > 12 && !memcmp(p, "many\tlabel", 10) && memchr(p + 10, '\t', length - 10))
                many += strtoull((const char *)memchr(p + 10, '\t', length - 10) + 1, NULL, 10);
            p = stop + 1;
        }
    }
    check(size == 0 || (size == UNSUPPORTED && !keeps), "merge failed");
    check(!keeps || in == out, "lines were lost or changed");
    check(!are_many || size || kind == ADD || many == 90000u * (unsigned)runs, "sums of labels are wrong");
    free(before.data);
    fm_merge_free(m);
    for (uint32_t i = 0; i < written; i++)
        remove(paths[i]);
}

#if HAVE_ROWS
/* Rows of all bytes, in pieces: each is taken or is odd, in order, whatever the shape; states have a line each. */
static void fuzz_rows(source *s)
{
    static const uint8_t text[] = "b2020-01-31";
    int32_t wide = 1 + take(s) % 5, quotes = take(s) % 2, used = 1 + take(s) % 3, shape[12] = {0}, lists[64], types[5];
    const int32_t sizes[] = {used, take(s) % 2, take(s) % 2, take(s) % 2, take(s) % 2, take(s) % 2, take(s) % 2, 0};
    shape[0] = take(s) % 3 ? ',' : '\t';
    shape[1] = quotes;
    shape[2] = take(s) % 4 == 0;
    shape[3] = wide;
    memcpy(shape + 4, sizes, sizeof sizes);
    shape[11] = take(s) % 2;
    int32_t at = 0;
    for (int32_t i = 0; i < used; i++) {
        lists[at++] = take(s) % wide;
        lists[at++] = i ? take(s) % 7 : (int32_t[]){OF_INT, OF_LONG, OF_DOUBLE}[take(s) % 3];
    }
    for (int32_t i = 0; i < shape[5]; i++)
        lists[at++] = used > 1 && lists[3] != OF_DOUBLE ? 1 : 0;
    if (shape[5] && lists[at - 1] == 0 && lists[1] == OF_DOUBLE)
        lists[1] = OF_LONG;
    lists[at++] = 0; /* what is summed, or an extreme: a number */
    lists[at++] = take(s) % 2;
    lists[at++] = take(s) % 2;
    if (!shape[6])
        at--;
    for (int32_t i = 0; i < 4; i++)
        lists[at + i] = 0;
    if (shape[8] && lists[1] == OF_DOUBLE)
        shape[8] = 0;
    condition where = {take(s) % 2 ? IS_CONDITION : IS_NULL, 0, take(s) % 6, 0, take(s), take(s), 0, 1};
    for (int32_t i = 0; i < wide; i++)
        types[i] = take(s) % 9;
    groups *g = fm_groups_new(shape, 1000, lists, &where, text, sizeof text - 1, (const uint8_t *)"\2NA", 3,
                              (const uint8_t *)"c0", 2, 1 << 18);
    columns *c = fm_columns_new(shape, 1000, types, (const uint8_t *)"\2NA", 3, (const uint8_t *)"c0", 2);
    check(g && c, "no memory for rows");
    size_t done = 0, size = s->left;
    while (done < size) {
        size_t piece = size - done < 4096 ? size - done : 4096;
        uint8_t *copy = malloc(piece); /* of its very size, so that nothing behind it is read unseen */
        int64_t counts[4], also[4];
        const odd_row *odd;
        memcpy(copy, s->data + done, piece);
        int64_t taken = fm_rows_take(&c->rows, copy, piece, done == 0, also, &odd);
        int64_t end = 0;
        for (int64_t i = 0; i < also[2]; end = odd[i].end, i++)
            check(odd[i].begin >= end && odd[i].end > odd[i].begin && odd[i].end <= taken, "odd rows out of order");
        check(taken >= 0 && (size_t)taken <= piece && (!taken || copy[taken - 1] == '\n'), "rows end elsewhere");
        int64_t first = fm_rows_take(&g->rows, copy, piece, done == 0, counts, &odd);
        check(first >= 0 && first <= taken && (first == taken || counts[3]), "groups take other rows");
        free(copy);
        done += taken ? (size_t)taken : piece;
    }
    const uint8_t *place, *registers, *texts[2];
    int64_t more, numbers[13], text_sizes[2];
    while ((more = fm_groups_drain(g, &place)) > 0)
        check(place[more - 1] == '\n', "a state without a line end");
    for (int32_t i = 0; i < wide; i++)
        check(fm_columns_state(c, (uint32_t)i, numbers, &place, &registers, texts, text_sizes) >= 0, "no state");
    fm_columns_aside(c, &place);
    fm_groups_free(g);
    fm_columns_free(c);
}
#endif

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    source s = {data, size};
    uint8_t random[32] = {0};
    memcpy(random, data, size < 32 ? size : 32);
    fm_start(random);
    check(mix(secret[0], secret[1]) == mix_halves(secret[0], secret[1]), "a product without 128 bits is another");
    int64_t lines = fm_scan(data, size);
    check((lines < 0 ? ~lines : lines) <= (int64_t)size, "more lines than bytes");
    use_simd = take(&s) % 2;
#if HAVE_ROWS
    if (take(&s) % 3 == 0) {
        fuzz_rows(&s);
        return 0;
    }
#endif
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
    static const char usual[] = "aab \t\n\n1 2\t7\r!A\xc3\xa9\x80\0,,\"5.-1e";
    static const char *const pieces[] = {"\t999999999999999999\n",  "\t1000000000000000000\n", "k\t-999999999999999999\n",
                                         "k\tL\t9223372036854775807\n", "k\tL\t00\n", "a\t\x05\n", "a\x05\t\n",
                                         "a word of more than sixteen bytes: 0123456789012345678901234567890123456789 "};
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
        for (uint32_t n = draw(3) ? 0 : draw(40); n > 0 && size > 200; n--) {
            const char *piece = pieces[draw(sizeof pieces / sizeof *pieces)];
            memcpy(data + 40 + draw((uint32_t)size - 140), piece, strlen(piece));
        }
        LLVMFuzzerTestOneInput(data, size);
    }
    free(data);
    fprintf(stderr, "fuzz_native: %lu inputs\n", runs);
    return 0;
}
#endif
