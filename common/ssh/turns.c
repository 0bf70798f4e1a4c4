/* The lists of a round, and how much everybody may send in it. */
#define _GNU_SOURCE
#include "ssh/turns.h"

void turns_init(struct turns *turns)
{
    *turns = (struct turns){.round = 1, .quantum = TURN_MOST};
    for (size_t i = 0; i < TURN_LISTS; i++)
        TAILQ_INIT(&turns->lists[i]);
}

static void place(struct turns *turns, struct turn *turn, enum turn_list list)
{
    turn->list = list;
    turns->in_line += list != TURN_WAITING;
    TAILQ_INSERT_TAIL(&turns->lists[list], turn, next);
}

void turns_leave(struct turns *turns, struct turn *turn)
{
    if (turn->list == TURN_NOT_IN_LINE)
        return;
    TAILQ_REMOVE(&turns->lists[turn->list], turn, next);
    turns->in_line -= turn->list != TURN_WAITING;
    turn->list = TURN_NOT_IN_LINE;
}

static bool had_turn(const struct turns *turns, const struct turn *turn)
{
    return turn->round == turns->round;
}

void turns_enter(struct turns *turns, struct turn *turn)
{
    bool used = had_turn(turns, turn) && turn->credit == 0;

    if (turn->list == TURN_NOT_IN_LINE)
        place(turns, turn, used ? TURN_NEXT : TURN_FRESH);
}

static void begin_round(struct turns *turns)
{
    size_t share = TURNS_ROUND / (turns->in_line ? turns->in_line : 1);
    struct turn *turn;

    turns->round++;
    turns->quantum = share < TURN_LEAST ? TURN_LEAST : share > TURN_MOST ? TURN_MOST : share;
    TAILQ_FOREACH(turn, &turns->lists[TURN_NEXT], next)
    turn->list = TURN_NOW;
    TAILQ_CONCAT(&turns->lists[TURN_NOW], &turns->lists[TURN_NEXT], next);
}

static struct turn *first(struct turns *turns)
{
    struct turn *turn = TAILQ_FIRST(&turns->lists[TURN_FRESH]);

    return turn ? turn : TAILQ_FIRST(&turns->lists[TURN_NOW]);
}

struct turn *turns_next(struct turns *turns)
{
    struct turn *turn = first(turns);

    if (!turn) {
        begin_round(turns);
        turn = first(turns);
    }
    if (!turn)
        return NULL;
    turns_leave(turns, turn);
    if (!had_turn(turns, turn) || turn->credit == 0)
        turn->credit = turns->quantum;
    turn->round = turns->round;
    return turn;
}

void turns_again(struct turns *turns, struct turn *turn)
{
    turn->credit = 0;
    place(turns, turn, TURN_NEXT);
}

void turns_resume(struct turns *turns, struct turn *turn)
{
    turn->list = TURN_FRESH;
    turns->in_line++;
    TAILQ_INSERT_HEAD(&turns->lists[TURN_FRESH], turn, next);
}

void turns_wait(struct turns *turns, struct turn *turn)
{
    place(turns, turn, TURN_WAITING);
}

void turns_wake(struct turns *turns, bool (*can_send)(const struct turn *turn))
{
    struct turn *turn, *following;

    for (turn = TAILQ_FIRST(&turns->lists[TURN_WAITING]); turn; turn = following) {
        following = TAILQ_NEXT(turn, next);
        if (!can_send(turn))
            continue;
        turns_leave(turns, turn);
        turns_enter(turns, turn);
    }
}
