/*
 * Talking to the parent: messages out, and which question an answer belongs to.  What is asked and
 * what an answer means is known to those who ask.
 */
#define _GNU_SOURCE
#include "worker/office.h"

#include <stdlib.h>
#include <string.h>

#include "base/log.h"
#include "worker/peer.h"

void office_send(struct office *office, const struct message *message)
{
    if (office->pipe)
        pipe_send(office->pipe, message);
}

int office_ask(struct peer *peer, struct message *message, answer_handler *handler, void *subject)
{
    struct office *office = peer->office;
    struct question *question = calloc(1, sizeof *question);

    if (!question)
        return -1;
    question->number = ++office->next_question;
    question->peer = peer;
    question->subject = subject;
    question->handler = handler;
    if (index_add(&office->questions, &question->number) < 0) {
        free(question);
        return -1;
    }
    TAILQ_INSERT_TAIL(&peer->questions, question, next);
    message->sid = peer->sid;
    message->request = question->number;
    office_send(office, message);
    return 0;
}

static void question_free(struct question *question)
{
    struct peer *peer = question->peer;

    TAILQ_REMOVE(&peer->questions, question, next);
    index_remove(&peer->office->questions, &question->number);
    free(question);
}

bool office_answer(struct office *office, const struct message *reply)
{
    struct question *question = index_find(&office->questions, reply->request);

    if (!question)
        return false;
    struct peer *peer = question->peer;
    answer_handler *handler = question->handler;
    void *subject = question->subject;
    question_free(question);
    if (peer->state == PEER_CLOSING)
        return false;
    handler(peer, subject, reply);
    return true;
}

struct peer *office_asker(const struct office *office, uint64_t request)
{
    const struct question *question = index_find(&office->questions, request);

    return question ? question->peer : NULL;
}

void office_forget(struct peer *peer, const void *subject)
{
    struct question *question, *following;

    for (question = TAILQ_FIRST(&peer->questions); question; question = following) {
        following = TAILQ_NEXT(question, next);
        if (!subject || question->subject == subject)
            question_free(question);
    }
}

void office_text(char to[MESSAGE_TEXT_SIZE], const char *from)
{
    size_t length = 0;

    for (; from[length] != '\0' && length < MESSAGE_TEXT_SIZE - 1; length++)
        to[length] = from[length] >= 0x20 && from[length] < 0x7f ? from[length] : '?';
    to[length] = '\0';
}

void office_stop_if_idle(struct office *office)
{
    if (!office->stopping || !TAILQ_EMPTY(&office->all_peers))
        return;
    log_debug(SAY("the last session is gone"));
    if (office->pipe)
        pipe_close(office->pipe);
    office->pipe = NULL;
    if (uv_is_closing((uv_handle_t *)&office->seconds))
        return;
    uv_close((uv_handle_t *)&office->seconds, NULL);
    uv_close((uv_handle_t *)&office->moment, NULL);
    deadlines_close(&office->deadlines);
}
