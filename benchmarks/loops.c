/* Straight C loops over the work items of engines.py: one lead at a time, no framework. The yardstick.
 *
 *   loops w1|w2 LEADS SEED        prints: transitions wins seconds
 *
 * gcc -O3 -march=native -ffast-math -o loops loops.c -lm
 */
#include <math.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define DAYS 365.0
#define STAGES 4
#define REPS 50

static const double entry[STAGES] = {0.60, 0.20, 0.15, 0.05}, pass[STAGES] = {0.6, 0.5, 0.5, 0.4};
static double edge[257], height[257], log_median;
static uint64_t state[4];

static inline uint64_t turn(uint64_t x, int by) { return (x << by) | (x >> (64 - by)); }

static inline uint64_t word(void) { /* xoshiro256++, Blackman and Vigna 2021 */
    uint64_t out = turn(state[0] + state[3], 23) + state[0], t = state[1] << 17;
    state[2] ^= state[0], state[3] ^= state[1], state[1] ^= state[2], state[0] ^= state[3];
    state[2] ^= t, state[3] = turn(state[3], 45);
    return out;
}

static inline double uniform(void) { return (word() >> 11) * 0x1p-53; }

static double normal(void) { /* ziggurat of 256 layers, Marsaglia and Tsang 2000 */
    for (;;) {
        uint64_t w = word();
        int layer = w & 255;
        double u = ((int64_t)w >> 11) * 0x1p-52, x = u * edge[layer];
        if (fabs(x) < edge[layer + 1]) return x;
        if (!layer) {
            double a, b;
            do a = -log(1 - uniform()) / edge[1], b = -log(1 - uniform());
            while (2 * b < a * a);
            return u < 0 ? -edge[1] - a : edge[1] + a;
        }
        if (height[layer] + uniform() * (height[layer + 1] - height[layer]) < exp(-0.5 * x * x)) return x;
    }
}

static void set_up(uint64_t seed) {
    edge[0] = 4.92867323399e-3 / exp(-0.5 * 3.6541528853610088 * 3.6541528853610088);
    edge[1] = 3.6541528853610088;
    for (int i = 2; i < 256; i++)
        edge[i] = sqrt(-2 * log(4.92867323399e-3 / edge[i - 1] + exp(-0.5 * edge[i - 1] * edge[i - 1])));
    edge[256] = 0;
    for (int i = 0; i <= 256; i++) height[i] = exp(-0.5 * edge[i] * edge[i]);
    for (int i = 0; i < 4; i++) {
        uint64_t z = (seed += 0x9e3779b97f4a7c15u);
        z = (z ^ (z >> 30)) * 0xbf58476d1ce4e5b9u, z = (z ^ (z >> 27)) * 0x94d049bb133111ebu;
        state[i] = z ^ (z >> 31);
    }
    log_median = log(5.0);
}

static inline double stay(void) { return exp(log_median + normal()); }

static double wins[4], revenue;
static long moves;

static inline void win(double t) {
    wins[(int)(t * (4 / DAYS))]++;
    revenue += exp(log(10000.0) + 0.8 * normal());
}

static void w1(double leads) {
    for (int first = 0; first < STAGES; first++)
        for (long n = lround(leads * entry[first]); n > 0; n--) {
            double t = uniform() * DAYS;
            for (int stage = first;; stage++) {
                if (stage == STAGES) { win(t); break; }
                t += stay();
                if (t >= DAYS) break;
                moves++;
                if (uniform() >= pass[stage]) break;
            }
        }
}

static int earlier(const void *a, const void *b) {
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static void put(double *heap, long *size, double t) {
    long at = (*size)++;
    for (; at && heap[(at - 1) / 2] > t; at = (at - 1) / 2) heap[at] = heap[(at - 1) / 2];
    heap[at] = t;
}

static void swap_first(double *heap, long size, double t) {
    long at = 0, child;
    while ((child = 2 * at + 1) < size) {
        child += child + 1 < size && heap[child + 1] < heap[child];
        if (heap[child] >= t) break;
        heap[at] = heap[child], at = child;
    }
    heap[at] = t;
}

/* Alike reps, first come first served: a lead that joins at t is served from max(t, first free rep). */
static void w2(double leads) {
    double log_work = log(0.0625 * 365000 / leads) - 0.125, *free_at = calloc(REPS, sizeof(double));
    long room = (long)(leads + 1000), at_third = 0, at_fourth = 0, again = 0;
    double *third = malloc(room * 8), *fourth = malloc(room * 8), *back = malloc(room * 8);
    for (int first = 0; first < STAGES; first++)
        for (long n = lround(leads * entry[first]); n > 0; n--) {
            double t = uniform() * DAYS;
            int stage = first;
            for (; stage < 2; stage++) {
                t += stay();
                if (t >= DAYS) break;
                moves++;
                if (uniform() >= pass[stage]) break;
            }
            if (first < 2 && stage < 2) continue;
            if (stage == 2) third[at_third++] = t; else fourth[at_fourth++] = t;
        }
    qsort(third, at_third, 8, earlier), qsort(fourth, at_fourth, 8, earlier);
    for (long i = 0, j = 0;;) {
        double a = i < at_third ? third[i] : 1e9, b = j < at_fourth ? fourth[j] : 1e9, c = again ? back[0] : 1e9, t;
        int stage = 3;
        if (a <= b && a <= c) t = a, i++, stage = 2;
        else if (b <= c) t = b, j++;
        else t = c, again--, swap_first(back, again, back[again]);
        if (t >= DAYS) break;
        t = (t > free_at[0] ? t : free_at[0]) + exp(log_work + 0.5 * normal());
        swap_first(free_at, REPS, t);
        t += stay();
        if (t >= DAYS) continue;
        moves++;
        if (uniform() >= pass[stage]) continue;
        if (stage == 2) put(back, &again, t); else win(t);
    }
}

int main(int count, char **given) {
    struct timespec from, to;
    double leads = count > 2 ? atof(given[2]) : 365000;
    set_up(count > 3 ? strtoull(given[3], 0, 10) : 1);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &from);
    if (count > 1 && !strcmp(given[1], "w2")) w2(leads); else w1(leads);
    clock_gettime(CLOCK_PROCESS_CPUTIME_ID, &to);
    printf("%ld %.0f %.9f\n", moves, wins[0] + wins[1] + wins[2] + wins[3],
           to.tv_sec - from.tv_sec + 1e-9 * (to.tv_nsec - from.tv_nsec));
    return revenue < 0;
}
