/* Control verbs about everything at once. */
#define _GNU_SOURCE
#include "parent/document.h"
#include "parent/plan.h"
#include "parent/verbs.h"

void verb_export(struct hub *hub, struct control_request *request, const json_t *args)
{
    (void)args;
    control_reply(request, document_of(hub));
}

void verb_apply(struct hub *hub, struct control_request *request, const json_t *args)
{
    struct fault fault = {""};
    struct plan plan;
    bool dry_run = arg_flag(args, "dry_run");
    if (plan_make(hub, json_object_get(args, "document"), arg_flag(args, "prune"), &plan, &fault) !=
        0) {
        control_refuse(request, "%s", fault.text);
        return;
    }
    if (dry_run || plan_run(hub, &plan, control_request_actor(request), &fault) == 0)
        control_reply(request, json_pack("{s:o, s:I, s:b}", "plan", plan_json(&plan), "kept",
                                         (json_int_t)plan.kept, "applied", (int)!dry_run));
    else
        control_refuse(request, "%s", fault.text);
    plan_release(&plan);
}
