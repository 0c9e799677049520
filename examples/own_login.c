/* SPDX-License-Identifier: Apache-2.0
 *
 * The program itself decides who comes in to its broker, here by a table of tickets, and what each
 * hear: whoever has a ticket those subjects that begin with his name. Prints
 *     mallory: refused
 *     bob hears: hello from ada
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include "rill.h"

static int check(int rc)
{
    return rc >= 0 ? rc : (fprintf(stderr, "%s\n", rill_errmsg()), exit(1), rc);
}

/* On a thread of the broker's: to look into a database, hand `login` to another, which answers. */
static void on_login(const rill_login *login, void *arg)
{
    (void)arg;
    char own[80];
    static const char *const tickets[][2] = {{"ada", "t-17"}, {"bob", "t-23"}};
    for (int i = 0; i < 2; i++)
        if (login->user && login->password && strcmp(login->user, tickets[i][0]) == 0 &&
            strcmp(login->password, tickets[i][1]) == 0) {
            snprintf(own, sizeof own, "%s.>", login->user);
            rill_user as = {.size = sizeof as, .user = login->user, .nsubscribe_allow = 1,
                            .subscribe_allow = (const char *const[]){own}};
            check(rill_login_answer(login, &as, NULL));
            return;
        }
    check(rill_login_answer(login, NULL, "he has no ticket"));
}

int main(void)
{
    rill_broker *broker;
    rill_bus *ada, *bob;
    rill_sub *sub;
    const rill_msg *m;
    char url[80];
    check(rill_broker_open(&broker, RILL_OPTS(rill_broker_opts, .on_login = on_login)));
    int port = check(rill_broker_listen(broker, "nats://127.0.0.1:0", NULL));
    snprintf(url, sizeof url, "nats://mallory:t-99@127.0.0.1:%d", port);
    if (rill_open(&ada, url, NULL) == RILL_EAUTH) puts("mallory: refused");
    snprintf(url, sizeof url, "nats://ada:t-17@127.0.0.1:%d", port);
    check(rill_open(&ada, url, NULL));
    snprintf(url, sizeof url, "nats://bob:t-23@127.0.0.1:%d", port);
    check(rill_open(&bob, url, NULL));
    check(rill_subscribe(bob, &sub, "bob.>", NULL));
    check(rill_flush(bob, 5000));
    check(rill_publish(ada, "bob.mail", "hello from ada", 14, NULL));
    check(rill_next(sub, &m, 5000));
    printf("bob hears: %.*s\n", RILL_ARG(m->data));
    rill_sub_close(sub);
    check(rill_close(bob, 1000));
    check(rill_close(ada, 1000));
    return rill_broker_close(broker, 1000) < 0;
}
