/* Where the records of a delimited file end: at the line ends that stand in no quotes (RFC 4180).
 *
 * A quote opens a field only where the field begins. It parses no field: mapreduce/input/formats/csv.py does.
 */

#ifndef CSV_H
#define CSV_H

#include "bytes.h"

enum { BEGINS, PLAIN, QUOTED, LEFT }; /* a field: not begun, without quotes, within them, behind a closing one */

/* Goes through n bytes from the state that the bytes before have left. Writes the offset behind each record that ends to
 * `ends`, and stops when there are `room` of them; returns how many there are. `done` is how far it came. */
API int64_t fm_csv_cut(const uint8_t *data, int64_t n, int delimiter, int32_t *state, int64_t *ends, int64_t room,
                       int64_t *done)
{
    int64_t found = 0, i = 0;
    int32_t now = *state;
    while (i < n && found < room) {
        if (now == QUOTED) {
            const uint8_t *quote = memchr(data + i, '"', (size_t)(n - i));
            i = quote ? quote - data + 1 : n;
            now = quote ? LEFT : QUOTED;
            continue;
        }
        uint8_t byte = data[i++];
        if (byte == '\n') {
            ends[found++] = i;
            now = BEGINS;
        } else if (byte == delimiter)
            now = BEGINS;
        else if (byte == '"')
            now = now == PLAIN ? PLAIN : QUOTED; /* behind a closing quote a second one stands for one */
        else
            now = PLAIN;
    }
    *state = now;
    *done = i;
    return found;
}

/* The state that n bytes leave, from the one before them: as above, and faster, as it looks at quotes alone. */
API int fm_csv_state(const uint8_t *data, int64_t n, int delimiter, int state)
{
    int64_t i = 0;
    while (i < n) {
        const uint8_t *quote = memchr(data + i, '"', (size_t)(n - i));
        if (state == QUOTED) {
            i = quote ? quote - data + 1 : n;
            state = quote ? LEFT : QUOTED;
            continue;
        }
        int64_t at = quote ? quote - data : n;
        if (at > i)
            state = data[at - 1] == '\n' || data[at - 1] == delimiter ? BEGINS : PLAIN;
        if (quote)
            state = state == PLAIN ? PLAIN : QUOTED;
        i = at + 1;
    }
    return state;
}

#endif
