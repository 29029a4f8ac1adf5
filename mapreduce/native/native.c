/* The native twin of the counting, encoding, spilling and merging that the Python modules of mapreduce do, and of the
 * fitting of linear models.
 *
 * It knows byte-level specifications, lines `key TAB value` and integers behind a key. It knows no input format, no
 * runner and no Python: library.py calls it through ctypes, and every function has a twin in Python that property tests
 * hold it equal to. Portable C11, one translation unit of parts that can each be read, and compiled, alone.
 */

#include "bytes.h" /* first: it says which functions of the system are wanted */

#include "clusters.h"
#include "columns.h"
#include "count.h"
#include "csv.h"
#include "encode.h"
#include "groups.h"
#include "linear.h"
#include "moments.h"
#include "rows.h"
#include "shuffle.h"
#include "table.h"
#include "tokenise.h"

/* ---- the library itself ---- */

/* Whether it counts the rows of tables, which not every machine's compiler can do. */
API int fm_counts_rows(void)
{
#if HAVE_ROWS
    return 1;
#else
    return 0;
#endif
}

API int fm_version(void)
{
    return VERSION;
}

/* Once, before anything else and before there are threads that call it: makes what all of it shares. Of random bytes it
 * takes 32. */
API void fm_start(const uint8_t *random)
{
    memcpy(secret, random, sizeof secret);
    secret[3] |= 1; /* a product with 0 mixes nothing */
    make_pairs();
    make_values();
}

/* Turns the 16-byte instructions off and on, for tests. */
API void fm_use_simd(int use)
{
    use_simd = use;
}
