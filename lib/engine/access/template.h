/* SPDX-License-Identifier: Apache-2.0 */
/* Subjects with words that stand for something of the user, as signing keys of accounts have them
 * for all whom they sign:
 *
 *     "orders.{{name()}}.>"                  orders.ann.>
 *     "{{subject()}} {{account-name()}}"     the user's key, the account's name
 *     "{{account-subject()}}"                the account's key
 *     "in.{{tag(team)}}.*"                   once for each tag "team:NAME" of the user
 *     "{{account-tag(team)}}"                the same of the account
 *
 * A word that is in a subject twice is the same each time; of several with tags each is combined
 * with each. What is no subject then goes nowhere: in a list of what is allowed it is left out, in
 * one of what is denied it is an error, so that less is allowed and never more. */
#ifndef RI_TEMPLATE_H
#define RI_TEMPLATE_H

#include "engine/access/claims.h"

typedef struct ri_template_words {
    const ri_claims_user *user;
    const ri_claims_account *account;
    ri_str account_key;       /* as the user's claims name it */
} ri_template_words;

/* `list` becomes what its subjects mean; `denies` as said above. RILL_EINVAL, RILL_ETOOBIG. */
int ri_template_apply(ri_claims_texts *list, bool denies, const ri_template_words *words,
                      ri_arena *arena);

#endif
