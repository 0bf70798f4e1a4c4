/*
 * Tokens, their refill, and a change of rate: integers only, no clock and no stream.  Who waits,
 * and who comes next, is pace.c's business.
 */
#include "ssh/bucket.h"

#include <stdbool.h>

#define NS_A_SECOND UINT64_C(1000000000)
/* Every bucket is full after this time; what is longer would only overflow. */
#define FULL_NS      (10 * NS_A_SECOND)
#define PACKET_BYTES 256

static uint64_t smaller(uint64_t one, uint64_t other)
{
    return one < other ? one : other;
}

static uint64_t larger(uint64_t one, uint64_t other)
{
    return one > other ? one : other;
}

uint64_t bucket_quantum(const struct bucket *bucket)
{
    return larger(bucket->rate / 100, smaller(bucket->rate, PACKET_BYTES));
}

uint64_t bucket_capacity(const struct bucket *bucket)
{
    return larger(bucket->rate / 10, 4 * bucket_quantum(bucket));
}

uint64_t bucket_count(struct bucket *bucket, uint64_t now_ns)
{
    uint64_t passed = now_ns > bucket->at_ns ? smaller(now_ns - bucket->at_ns, FULL_NS) : 0;
    uint64_t whole = passed / NS_A_SECOND * bucket->rate;
    uint64_t parts = passed % NS_A_SECOND * bucket->rate + bucket->rest;

    bucket->at_ns = larger(now_ns, bucket->at_ns);
    bucket->tokens += whole + parts / NS_A_SECOND;
    bucket->rest = parts % NS_A_SECOND;
    if (bucket->tokens >= bucket_capacity(bucket)) {
        bucket->tokens = bucket_capacity(bucket);
        bucket->rest = 0;
    }
    return bucket->tokens;
}

void bucket_set_rate(struct bucket *bucket, uint64_t rate, uint64_t now_ns)
{
    bool fresh = bucket->rate == 0;

    if (!fresh)
        (void)bucket_count(bucket, now_ns);
    bucket->rate = smaller(rate, BUCKET_RATE_MAX);
    bucket->at_ns = now_ns;
    bucket->rest = 0;
    if (fresh || bucket->tokens > bucket_capacity(bucket))
        bucket->tokens = bucket_capacity(bucket);
}

void bucket_take(struct bucket *bucket, uint64_t bytes)
{
    bucket->tokens -= smaller(bytes, bucket->tokens);
}

void bucket_give_back(struct bucket *bucket, uint64_t bytes)
{
    bucket->tokens = smaller(bucket->tokens + bytes, bucket_capacity(bucket));
}

uint64_t bucket_wait_ns(const struct bucket *bucket)
{
    uint64_t quantum = bucket_quantum(bucket), missing;

    if (bucket->tokens >= quantum)
        return 0;
    missing = (quantum - bucket->tokens) * NS_A_SECOND - bucket->rest;
    return (missing + bucket->rate - 1) / bucket->rate;
}
