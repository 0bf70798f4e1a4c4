/* Whose turn it is, played through: sources of every kind on a line that stops anywhere. */
#include "ssh/turns.h"

#include "suite.h"

#define COUNT 100

struct source {
    struct turn turn;
    size_t has;   /* bytes that wait; SIZE_MAX: never less */
    size_t room;  /* of its window */
    size_t given; /* bytes that it sent */
};

static struct turns turns;
static struct source sources[COUNT];

static void setup(void)
{
    turns_init(&turns);
    for (size_t i = 0; i < COUNT; i++)
        sources[i] = (struct source){.turn.owner = &sources[i], .has = SIZE_MAX, .room = SIZE_MAX};
}

static void enter(size_t count)
{
    for (size_t i = 0; i < count; i++)
        turns_enter(&turns, &sources[i].turn);
}

static size_t least(size_t one, size_t two)
{
    return one < two ? one : two;
}

/* As a stream does it; the line takes so many bytes of this turn. */
static struct source *send(size_t line)
{
    struct turn *turn = turns_next(&turns);
    struct source *source;
    size_t bytes;

    if (!turn)
        return NULL;
    source = turn->owner;
    bytes = least(least(turn->credit, line), least(source->has, source->room));
    source->given += bytes;
    source->has -= source->has == SIZE_MAX ? 0 : bytes;
    source->room -= source->room == SIZE_MAX ? 0 : bytes;
    turn->credit -= bytes;
    if (source->has == 0)
        turns_leave(&turns, turn);
    else if (source->room == 0)
        turns_wait(&turns, turn);
    else if (turn->credit > 0)
        turns_resume(&turns, turn);
    else
        turns_again(&turns, turn);
    return source;
}

static void check_even(size_t count, size_t within)
{
    size_t smallest = SIZE_MAX, largest = 0;

    for (size_t i = 0; i < count; i++) {
        smallest = least(smallest, sources[i].given);
        largest = sources[i].given > largest ? sources[i].given : largest;
    }
    ck_assert_uint_gt(smallest, 0);
    ck_assert_uint_le(largest - smallest, within);
}

START_TEST(everybody_sends_the_same)
{
    enter(COUNT);
    for (size_t i = 0; i < 50 * COUNT + 17; i++)
        ck_assert_ptr_nonnull(send(SIZE_MAX));
    check_even(COUNT, TURN_MOST);
}
END_TEST

/* However the line's stops fall. */
START_TEST(the_interrupted_go_on_with_what_is_left)
{
    size_t line = 1;

    enter(COUNT);
    for (size_t i = 0; i < 400 * COUNT; i++) {
        line = (line * 7919 + 104729) % TURN_PACKET;
        ck_assert_ptr_nonnull(send(line + 1));
    }
    check_even(COUNT, TURN_MOST);
}
END_TEST

START_TEST(few_send_more_at_once_than_many)
{
    enter(1);
    ck_assert_uint_eq(turns_next(&turns)->credit, TURN_MOST);
    turns_again(&turns, &sources[0].turn);
    enter(COUNT);
    for (size_t i = 0; i < COUNT; i++)
        (void)send(SIZE_MAX);
    ck_assert_uint_eq(turns_next(&turns)->credit, TURN_LEAST);
}
END_TEST

/* Is back each time before the next turn: in this round it had its own. */
START_TEST(who_comes_and_goes_has_no_more_than_others)
{
    enter(10);
    for (size_t i = 0; i < 1000; i++) {
        if (sources[10].turn.list == TURN_NOT_IN_LINE)
            sources[10].has = TURN_LEAST;
        turns_enter(&turns, &sources[10].turn);
        (void)send(SIZE_MAX);
    }
    check_even(10, TURN_MOST);
    ck_assert_uint_gt(sources[10].given, 0);
    ck_assert_uint_le(sources[10].given, sources[0].given);
}
END_TEST

START_TEST(a_short_answer_does_not_wait_for_the_long_ones)
{
    enter(COUNT - 1);
    for (size_t i = 0; i < 3 * COUNT + 5; i++)
        (void)send(SIZE_MAX);
    sources[COUNT - 1].has = 1;
    turns_enter(&turns, &sources[COUNT - 1].turn);
    ck_assert_ptr_eq(send(SIZE_MAX), &sources[COUNT - 1]);
    /* Until its share of the round is used; then as all others. */
    sources[COUNT - 1].has = TURN_MOST;
    turns_enter(&turns, &sources[COUNT - 1].turn);
    ck_assert_ptr_eq(send(SIZE_MAX), &sources[COUNT - 1]);
    ck_assert_uint_eq(sources[COUNT - 1].given, turns.quantum);
    ck_assert_ptr_ne(send(SIZE_MAX), &sources[COUNT - 1]);
}
END_TEST

/* Never has enough for a whole turn, but always something soon after. */
START_TEST(who_runs_short_for_a_moment_loses_nothing)
{
    for (size_t i = 0; i < COUNT; i += 3)
        sources[i].has = 11000;
    enter(COUNT);
    for (size_t i = 0; i < 100 * COUNT; i++) {
        for (size_t j = 0; j < COUNT; j += 3) {
            if (sources[j].turn.list != TURN_NOT_IN_LINE)
                continue;
            sources[j].has = 11000 + 100 * j;
            turns_enter(&turns, &sources[j].turn);
        }
        (void)send(SIZE_MAX);
    }
    check_even(COUNT, TURN_MOST);
}
END_TEST

static bool has_room(const struct turn *turn)
{
    const struct source *source = turn->owner;

    return source->room > 0;
}

START_TEST(who_cannot_send_holds_up_nobody)
{
    for (size_t i = 0; i < COUNT; i += 2)
        sources[i].room = 1000;
    enter(COUNT);
    for (size_t i = 0; i < 10 * COUNT; i++)
        ck_assert_ptr_nonnull(send(SIZE_MAX));
    for (size_t i = 0; i < COUNT; i += 2)
        ck_assert_uint_eq(sources[i].given, 1000);
    ck_assert_uint_eq(turns.in_line, COUNT / 2);
    turns_enter(&turns, &sources[0].turn); /* has more, and still cannot */
    ck_assert_uint_eq(turns.in_line, COUNT / 2);
    sources[0].room = 500;
    turns_wake(&turns, has_room);
    ck_assert_uint_eq(turns.in_line, COUNT / 2 + 1);
    ck_assert_ptr_eq(send(SIZE_MAX), &sources[0]);
    ck_assert_uint_eq(sources[0].given, 1500);
}
END_TEST

START_TEST(who_leaves_is_forgotten)
{
    enter(3);
    (void)send(10);
    ck_assert_uint_gt(sources[0].turn.credit, 0);
    turns_leave(&turns, &sources[0].turn);
    turns_leave(&turns, &sources[0].turn);
    turns_leave(&turns, &sources[1].turn);
    ck_assert_ptr_eq(send(SIZE_MAX), &sources[2]);
    turns_leave(&turns, &sources[2].turn);
    ck_assert_uint_eq(turns.in_line, 0);
    ck_assert_ptr_null(send(SIZE_MAX));
}
END_TEST

int main(void)
{
    Suite *suite = suite_create("turns");
    TCase *group = tcase_create("turns");

    tcase_add_checked_fixture(group, setup, NULL);
    tcase_add_test(group, everybody_sends_the_same);
    tcase_add_test(group, the_interrupted_go_on_with_what_is_left);
    tcase_add_test(group, few_send_more_at_once_than_many);
    tcase_add_test(group, who_comes_and_goes_has_no_more_than_others);
    tcase_add_test(group, a_short_answer_does_not_wait_for_the_long_ones);
    tcase_add_test(group, who_runs_short_for_a_moment_loses_nothing);
    tcase_add_test(group, who_cannot_send_holds_up_nobody);
    tcase_add_test(group, who_leaves_is_forgotten);
    suite_add_tcase(suite, group);
    return suite_run(suite);
}
