/* Counting rows by group: the twin of mapreduce/tables/groups.py, which says what the lines mean. */

#ifndef GROUPS_H
#define GROUPS_H

#include "rows.h"
#include "table.h"

#if HAVE_ROWS

enum { IS_CONDITION = 0, AND = 1, OR = 2, NOT = 3, IS_NULL = 4 };
enum { EQUAL = 0, UNEQUAL = 1, LESS = 2, AT_MOST = 3, MORE = 4, AT_LEAST = 5 };
enum { LIMBS = 70, LOWEST = -1074, ROOM = 30, DEEPEST = 64, NO_STATE = -1 };

typedef struct {
    int32_t op, column, sign, count; /* count: of the operands that `and` and `or` take */
    int64_t whole;
    double real;
    int64_t begin, size; /* of a text among the texts */
} condition;

typedef struct {
    int32_t column, kind; /* of what the row holds there */
    field value;          /* in its one form where it is a text, a date, a time or true or false */
    int64_t whole;
    double real;
    int is_missing;
} used_value;

/* A sum: a number of 128 bits at a power of two; what does not fit is in limbs of its own. */
typedef struct {
    wide sum;
    int64_t count, limbs; /* limbs: the place of its first, or -1 */
    int32_t exponent, unused;
} exact;

typedef struct {
    int64_t whole, begin, size;
    double real;
    int64_t is_set;
} extreme;

typedef struct {
    rows rows;
    table table;
    int32_t *by, *sums, *extremes, *largest, *distinct; /* numbers of used values */
    int32_t bys, sum_count, extreme_count, distinct_count, used_count;
    used_value *used;
    int32_t *required; /* columns that have to have a value */
    int32_t required_count, needs_all;
    condition *where;
    int32_t conditions;
    buffer texts, states, limbs, values, key, out;
    size_t state_size, cursor;
} groups;

/* ---- a row's values ---- */

static int read_value(groups *g, used_value *u)
{
    rows *r = &g->rows;
    field f = unquoted(r, &r->fields[u->column]);
    int64_t ignored;
    u->value = f;
    u->is_missing = is_null(r, &f);
    if (u->is_missing)
        return 0;
    switch (u->kind) {
    case OF_INT:
    case OF_LONG:
        return read_int(&f, u->kind, &u->whole) ? 0 : ODD;
    case OF_DOUBLE:
        if (!read_double(&f, &u->real))
            return ODD;
        u->real += 0.0; /* -0.0 is 0.0 */
        return 0;
    case OF_DATE:
        return f.size == 10 && read_date(f.at, &ignored) ? 0 : ODD;
    case OF_TIME:
        if (!read_time(&f, &ignored))
            return ODD;
        if (f.size == 20 || f.at[10] == 'T') {
            uint8_t *to = scratch(r, 19);
            memcpy(to, f.at, 19);
            to[10] = ' ';
            u->value = (field){to, 19, 0};
        }
        return 0;
    case OF_BOOLEAN: {
        int found = read_boolean(&f);
        if (found < 0)
            return ODD;
        u->value = (field){(const uint8_t *)(found ? "true" : "false"), found ? 4 : 5, 0};
        return 0;
    }
    default:
        return 0;
    }
}

static int is_special(const field *f)
{
    for (uint32_t i = 0; i < f->size; i++) {
        uint8_t byte = f->at[i];
        if (byte <= '\r' ? byte == '\t' || byte == '\n' || byte == '\r' || byte == 1 || byte == 2 : byte == '\\')
            return 1;
    }
    return 0;
}

/* Appends a value in its one form to the key; ODD where it has to be escaped. */
static int put_value(groups *g, const used_value *u)
{
    if (u->is_missing)
        return 0;
    if (reserve(&g->key, u->value.size + 32))
        return NO_MEMORY;
    if (u->kind == OF_INT || u->kind == OF_LONG) {
        g->key.size += put_number(g->key.data + g->key.size, u->whole);
        return 0;
    }
    if (u->kind == OF_TEXT && is_special(&u->value))
        return ODD;
    return append(&g->key, u->value.at, u->value.size);
}

/* ---- the condition: 0 is false, 1 true, 2 unknown ---- */

static int compared(const groups *g, const condition *c, const used_value *u)
{
    int order;
    if (u->is_missing)
        return 2;
    if (u->kind == OF_INT || u->kind == OF_LONG)
        order = (u->whole > c->whole) - (u->whole < c->whole);
    else if (u->kind == OF_DOUBLE)
        order = (u->real > c->real) - (u->real < c->real);
    else
        order = compare_bytes(u->value.at, u->value.size, g->texts.data + c->begin, (size_t)c->size);
    switch (c->sign) {
    case EQUAL:
        return order == 0;
    case UNEQUAL:
        return order != 0;
    case LESS:
        return order < 0;
    case AT_MOST:
        return order <= 0;
    case MORE:
        return order > 0;
    default:
        return order >= 0;
    }
}

static int holds(const groups *g)
{
    int stack[DEEPEST], top = 0;
    for (int32_t i = 0; i < g->conditions; i++) {
        const condition *c = &g->where[i];
        if (c->op == IS_CONDITION)
            stack[top++] = compared(g, c, &g->used[c->column]);
        else if (c->op == IS_NULL)
            stack[top++] = g->used[c->column].is_missing;
        else if (c->op == NOT)
            stack[top - 1] = stack[top - 1] == 2 ? 2 : !stack[top - 1];
        else {
            int decides = c->op == OR, found = !decides;
            for (int32_t j = 0; j < c->count; j++) {
                int value = stack[--top];
                found = value == decides || found == decides ? decides : value == 2 ? 2 : found;
            }
            stack[top++] = found;
        }
    }
    return !g->conditions || stack[0] == 1;
}

/* ---- states ---- */

static exact *sum_of(groups *g, int64_t state, int32_t i)
{
    return (exact *)(void *)(g->states.data + (size_t)state * g->state_size) + i;
}

static extreme *extreme_of(groups *g, int64_t state, int32_t i)
{
    return (extreme *)(void *)sum_of(g, state, g->sum_count) + i;
}

static int add_double(groups *g, exact *e, double value)
{
    const wide limit = (wide)1 << 125;
    int64_t mantissa;
    int exponent;
    if (value == 0)
        return 0;
    parts_of(value, &mantissa, &exponent);
    if (!e->sum)
        e->exponent = exponent - ROOM > LOWEST ? exponent - ROOM : LOWEST;
    int shift = exponent - e->exponent;
    if (LIKELY(shift >= 0 && shift <= 70)) {
        wide sum = e->sum + (wide)mantissa * ((wide)1 << shift);
        if (LIKELY(sum < limit && sum > -limit)) {
            e->sum = sum;
            return 0;
        }
    }
    if (e->limbs < 0) {
        int64_t place = (int64_t)(g->limbs.size / sizeof(int64_t));
        if (reserve(&g->limbs, LIMBS * sizeof(int64_t)))
            return NO_MEMORY;
        memset(g->limbs.data + g->limbs.size, 0, LIMBS * sizeof(int64_t));
        g->limbs.size += LIMBS * sizeof(int64_t);
        e->limbs = place;
    }
    add_to_limbs((int64_t *)(void *)g->limbs.data + e->limbs, LOWEST,
                 (unsigned_wide)(uint64_t)(mantissa < 0 ? -mantissa : mantissa), mantissa < 0, exponent);
    return 0;
}

static int take_extreme(groups *g, extreme *e, const used_value *u, int largest)
{
    int order = 0;
    if (e->is_set) {
        if (u->kind == OF_INT || u->kind == OF_LONG)
            order = (u->whole > e->whole) - (u->whole < e->whole);
        else if (u->kind == OF_DOUBLE)
            order = (u->real > e->real) - (u->real < e->real);
        else
            order = compare_bytes(u->value.at, u->value.size, g->values.data + e->begin, (size_t)e->size);
        if (largest ? order <= 0 : order >= 0)
            return 0;
    }
    e->is_set = 1;
    e->whole = u->whole;
    e->real = u->real;
    if (u->kind == OF_INT || u->kind == OF_LONG || u->kind == OF_DOUBLE)
        return 0;
    e->begin = (int64_t)g->values.size;
    e->size = u->value.size;
    return append(&g->values, u->value.at, u->value.size);
}

static slot *slot_of(groups *g)
{
    item it;
    make_item(&it, g->key.data, (uint32_t)g->key.size, 0);
    slot *s = find(&g->table, &it, 0, 0);
    if (s->length)
        return s;
    if (insert(&g->table, s, &it))
        return NULL;
    s = find(&g->table, &it, 0, 0); /* the table may have grown */
    s->tf = (uint64_t)(int64_t)NO_STATE;
    return s;
}

static int take_group(rows *r)
{
    groups *g = (groups *)(void *)r;
    int done;
    for (int32_t i = 0; i < g->used_count; i++)
        if ((done = read_value(g, &g->used[i])))
            return done;
    if (g->required_count) {
        int32_t missing = 0;
        for (int32_t i = 0; i < g->required_count; i++) {
            field f = r->fields[g->required[i]];
            missing += f.is_escaped ? 0 : is_null(r, &f);
        }
        if (g->needs_all ? missing == g->required_count : missing)
            return 0;
    }
    if (!holds(g))
        return 0;
    for (int32_t i = 0; i < g->extreme_count; i++) {
        const used_value *u = &g->used[g->extremes[i]];
        if (u->kind == OF_TEXT && is_special(&u->value))
            return ODD;
    }
    g->key.size = 0;
    if (reserve(&g->key, 64))
        return NO_MEMORY;
    for (int32_t i = 0; i < g->bys; i++) {
        if (i)
            g->key.data[g->key.size++] = 1;
        if ((done = put_value(g, &g->used[g->by[i]])))
            return done;
    }
    size_t group = g->key.size;
    for (int32_t i = 0; i < g->distinct_count; i++) { /* before anything is counted: a value may make the row odd */
        const used_value *u = &g->used[g->distinct[i]];
        if (u->kind == OF_TEXT && !u->is_missing && is_special(&u->value))
            return ODD;
    }
    slot *s = slot_of(g);
    if (!s)
        return NO_MEMORY;
    if ((int64_t)s->tf == NO_STATE) {
        int64_t state = (int64_t)(g->states.size / g->state_size);
        if (reserve(&g->states, g->state_size))
            return NO_MEMORY;
        memset(g->states.data + g->states.size, 0, g->state_size);
        g->states.size += g->state_size;
        for (int32_t i = 0; i < g->sum_count; i++)
            sum_of(g, state, i)->limbs = -1;
        s->tf = (uint64_t)state;
    }
    int64_t state = (int64_t)s->tf;
    ++*(int64_t *)(void *)extreme_of(g, state, g->extreme_count);
    for (int32_t i = 0; i < g->sum_count; i++) {
        const used_value *u = &g->used[g->sums[i]];
        exact *e = sum_of(g, state, i);
        if (u->is_missing)
            continue;
        e->count++;
        if (u->kind != OF_DOUBLE)
            e->sum += u->whole;
        else if ((done = add_double(g, e, u->real)))
            return done;
    }
    for (int32_t i = 0; i < g->extreme_count; i++) {
        const used_value *u = &g->used[g->extremes[i]];
        if (!u->is_missing && (done = take_extreme(g, extreme_of(g, state, i), u, g->largest[i])))
            return done;
    }
    for (int32_t i = 0; i < g->distinct_count; i++) {
        const used_value *u = &g->used[g->distinct[i]];
        if (u->is_missing)
            continue;
        g->key.size = group;
        if (reserve(&g->key, 64))
            return NO_MEMORY;
        g->key.data[g->key.size++] = 2;
        g->key.data[g->key.size++] = (uint8_t)('0' + i);
        if ((done = put_value(g, u)) || !slot_of(g))
            return done ? done : NO_MEMORY;
    }
    r->is_full = g->table.full || g->states.size + g->limbs.size + g->values.size > g->table.limit;
    return 0;
}

/* ---- the library's face ---- */

API void fm_groups_free(groups *g)
{
    rows_free(&g->rows);
    table_free(&g->table);
    free(g->by); /* one block with the other lists */
    free(g->used);
    free(g->where);
    free(g->texts.data);
    free(g->states.data);
    free(g->limbs.data);
    free(g->values.data);
    free(g->key.data);
    free(g->out.data);
    free(g);
}

/* What is counted by what. `shape`: delimiter, quotes, escapes, columns, and how many there are of: used values, group
 * columns, sums, extremes, distinct columns, required columns, whether these have all to be missing, conditions. `lists`:
 * columns and kinds of the used values; numbers of used values that make the group, are summed, are extremes; whether each
 * of these is a largest one; distinct ones; required columns. */
API groups *fm_groups_new(const int32_t *shape, int64_t longest, const int32_t *lists, const condition *where,
                          const uint8_t *texts, uint64_t text_size, const uint8_t *nulls, uint64_t null_size,
                          const uint8_t *header, uint64_t header_size, uint64_t memory)
{
    groups *g = calloc(1, sizeof *g);
    if (!g)
        return NULL;
    g->used_count = shape[4];
    g->bys = shape[5];
    g->sum_count = shape[6];
    g->extreme_count = shape[7];
    g->distinct_count = shape[8];
    g->required_count = shape[9];
    g->needs_all = shape[10];
    g->conditions = shape[11];
    size_t listed = (size_t)(2 * shape[4] + shape[5] + shape[6] + 2 * shape[7] + shape[8] + shape[9]);
    g->by = malloc((listed + 1) * sizeof *g->by);
    g->used = calloc((size_t)g->used_count + 1, sizeof *g->used);
    g->where = malloc(((size_t)g->conditions + 1) * sizeof *g->where);
    int failed = rows_init(&g->rows, shape[0], shape[1], shape[2], (uint32_t)shape[3], longest) ||
                 table_init(&g->table, sizeof(slot), memory / 2) || !g->by || !g->used || !g->where ||
                 append(&g->texts, texts, text_size) || append(&g->rows.nulls, nulls, null_size) ||
                 append(&g->rows.header, header, header_size) || g->distinct_count > 9;
    if (failed) {
        fm_groups_free(g);
        return NULL;
    }
    memcpy(g->by, lists + 2 * g->used_count, (listed - 2 * (size_t)g->used_count) * sizeof *lists);
    for (int32_t i = 0; i < g->used_count; i++) {
        g->used[i].column = lists[2 * i];
        g->used[i].kind = lists[2 * i + 1];
    }
    g->sums = g->by + g->bys;
    g->extremes = g->sums + g->sum_count;
    g->largest = g->extremes + g->extreme_count;
    g->distinct = g->largest + g->extreme_count;
    g->required = g->distinct + g->distinct_count;
    if (g->conditions)
        memcpy(g->where, where, (size_t)g->conditions * sizeof *where);
    g->state_size = (size_t)g->sum_count * sizeof(exact) + (size_t)g->extreme_count * sizeof(extreme) + sizeof(int64_t);
    g->state_size = (g->state_size + 15) & ~(size_t)15;
    g->rows.take = take_group;
    return g;
}

static int put_state(groups *g, int64_t state)
{
    buffer *out = &g->out;
    out->size += put_number(out->data + out->size, *(int64_t *)(void *)extreme_of(g, state, g->extreme_count));
    for (int32_t i = 0; i < g->sum_count; i++) {
        const exact *e = sum_of(g, state, i);
        if (reserve(out, 128))
            return NO_MEMORY;
        out->data[out->size++] = '\t';
        out->size += put_number(out->data + out->size, e->count);
        out->data[out->size++] = '\t';
        out->size += e->exponent ? put_term(out->data + out->size, e->sum, e->exponent)
                                 : put_wide(out->data + out->size, e->sum);
        if (e->limbs >= 0 && put_limbs(out, (int64_t *)(void *)g->limbs.data + e->limbs, LIMBS, LOWEST))
            return NO_MEMORY;
    }
    for (int32_t i = 0; i < g->extreme_count; i++) {
        const extreme *e = extreme_of(g, state, i);
        int kind = g->used[g->extremes[i]].kind;
        if (reserve(out, 128 + (size_t)e->size))
            return NO_MEMORY;
        out->data[out->size++] = '\t';
        if (!e->is_set)
            continue;
        if (kind == OF_INT || kind == OF_LONG)
            out->size += put_number(out->data + out->size, e->whole);
        else if (kind == OF_DOUBLE) {
            int64_t mantissa;
            int exponent;
            parts_of(e->real, &mantissa, &exponent);
            out->size += put_term(out->data + out->size, mantissa, exponent);
        } else if (append(out, g->values.data + e->begin, (size_t)e->size))
            return NO_MEMORY;
    }
    for (int32_t i = 0; i < g->distinct_count; i++) {
        if (reserve(out, 64))
            return NO_MEMORY;
        out->data[out->size++] = '\t';
        out->data[out->size++] = '0';
    }
    return 0;
}

/* The lines `key TAB state`, a piece at each call; 0 at the end, and all is empty then. */
API int64_t fm_groups_drain(groups *g, const uint8_t **place)
{
    buffer *out = &g->out;
    out->size = 0;
    for (; g->cursor < g->table.capacity && out->size < PIECE; g->cursor++) {
        const slot *s = slot_at(&g->table, g->cursor);
        if (!s->length)
            continue;
        if (append(out, key_bytes(&g->table, s), s->length - 1) || reserve(out, 64))
            return NO_MEMORY;
        out->data[out->size++] = '\t';
        if ((int64_t)s->tf != NO_STATE && put_state(g, (int64_t)s->tf))
            return NO_MEMORY;
        if (reserve(out, 1))
            return NO_MEMORY;
        out->data[out->size++] = '\n';
    }
    *place = out->data;
    if (!out->size) {
        g->cursor = 0;
        g->rows.is_full = 0;
        g->states.size = g->limbs.size = g->values.size = 0;
        table_clear(&g->table);
    }
    return (int64_t)out->size;
}

#endif
#endif
