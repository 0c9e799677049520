/* SPDX-License-Identifier: Apache-2.0 */
/* Completion of commands and options in shells, from the table. The words of choices are offered,
 * too; names of streams and keys are not, since a key of the keyboard should not dial a server. */
#include <stdio.h>
#include <string.h>

#include "commands.h"
#include "run.h"
#include "text.h"
#include "tool.h"

/* What may follow `name`: words of the group, or options of the command. */
static void completion_options(text *words, const opt *rows)
{
    for (; rows && rows->id != OPT_NONE; rows++)
        text_addf(words, "%s--%s", words->len ? " " : "", rows->name);
}

static void completion_firsts(text *words)
{
    size_t len;
    const char *word;
    for (size_t i = 0; (word = commands_first(i, &len)) != NULL; i++)
        text_addf(words, "%s%.*s", words->len ? " " : "", (int)len, word);
}

static void completion_seconds(text *words, const char *first, size_t len)
{
    for (const command_row *c = commands; c->name; c++)
        if (strncmp(c->name, first, len) == 0 && c->name[len] == ' ')
            text_addf(words, "%s%s", words->len ? " " : "", c->name + len + 1);
}

/* ---- bash ---- */

static void completion_bash_choices(void)
{
    text seen = {0};
    for (const command_row *c = commands; c->name; c++)
        for (const opt *o = c->opts; o && o->id != OPT_NONE; o++) {
            if (o->kind != OPT_CHOICE) continue;
            text_clear(&seen);
            for (const char *p = o->arg; *p; p++) text_add(&seen, *p == '|' ? " " : p, 1);
            printf("    '%s --%s') words='%s' ;;\n", c->name, o->name, seen.ptr);
        }
    text_free(&seen);
}

static void completion_bash(void)
{
    text words = {0};
    size_t len;
    const char *first;
    puts("# bash completion of rill\n_rill()\n{\n"
         "    local word=${COMP_WORDS[COMP_CWORD]} before=${COMP_WORDS[COMP_CWORD-1]}\n"
         "    local command= words= i\n"
         "    for i in \"${COMP_WORDS[@]:1:COMP_CWORD-1}\"; do\n"
         "        [[ $i == -* ]] || command=\"$command${command:+ }$i\"\n"
         "    done\n"
         "    [[ $command == consumer* ]] && command=group${command#consumer}\n"
         "    local one=${command%% *} two\n"
         "    two=$(printf '%s' \"$command\" | cut -d' ' -f1-2)\n"
         "    case \"$two $before\" in");
    completion_bash_choices();
    puts("    *) case \"$two\" in");
    completion_firsts(&words);
    printf("    '') words='%s' ;;\n", words.ptr);
    for (size_t i = 0; (first = commands_first(i, &len)) != NULL; i++) {
        text_clear(&words);
        completion_seconds(&words, first, len);
        if (words.len) printf("    '%.*s') words='%s' ;;\n", (int)len, first, words.ptr);
    }
    for (const command_row *c = commands; c->name; c++) {
        text_clear(&words);
        completion_options(&words, c->opts);
        printf("    '%s'%s) words='%s' ;;\n", c->name, strchr(c->name, ' ') ? "" : "*",
               words.ptr ? words.ptr : "");
    }
    text_clear(&words);
    completion_options(&words, commands_global);
    printf("    esac\n    [[ $word == -* ]] && words=\"$words %s\" ;;\n    esac\n", words.ptr);
    puts("    [[ $one == completion ]] && words='bash zsh fish'\n"
         "    COMPREPLY=($(compgen -W \"$words\" -- \"$word\"))\n"
         "    [[ ${#COMPREPLY[@]} -gt 0 ]] || COMPREPLY=($(compgen -f -- \"$word\"))\n}\n"
         "complete -F _rill rill");
    text_free(&words);
}

/* ---- zsh and fish ---- */

/* In single quotes; zsh has colons between a name and what it is. */
static void completion_quoted(const char *words, bool colons)
{
    for (; *words; words++) {
        if (*words == '\'') fputs("'\\'", stdout);
        else if (colons && strchr(":[]", *words)) putchar('\\');
        putchar(*words);
    }
}

static void completion_zsh_options(const opt *rows)
{
    for (; rows && rows->id != OPT_NONE; rows++) {
        printf(" '--%s%s[", rows->name, rows->arg ? "=" : "");
        completion_quoted(rows->help, true);
        putchar(']');
        if (rows->kind == OPT_CHOICE) {
            fputs(":value:(", stdout);
            for (const char *p = rows->arg; *p; p++) putchar(*p == '|' ? ' ' : *p);
            putchar(')');
        } else if (rows->arg) {
            fputs(":", stdout);
            completion_quoted(rows->arg, true);
            fputs(":_files", stdout);
        }
        putchar('\'');
    }
}

static void completion_zsh(void)
{
    text words = {0};
    size_t len;
    const char *first;
    puts("#compdef rill\n_rill()\n{\n    local -a words_of\n    local two=\"$words[2] $words[3]\"\n"
         "    case $CURRENT in\n    2)");
    completion_firsts(&words);
    printf("        words_of=(%s); _describe command words_of; return ;;\n    3)\n"
           "        case $words[2] in\n", words.ptr);
    for (size_t i = 0; (first = commands_first(i, &len)) != NULL; i++) {
        text_clear(&words);
        completion_seconds(&words, first, len);
        if (!words.len) continue;
        printf("        %.*s%s) words_of=(%s); _describe command words_of; return ;;\n",
               (int)len, first, strncmp(first, "group", len) == 0 ? "|consumer" : "", words.ptr);
    }
    puts("        completion) words_of=(bash zsh fish); _describe shell words_of; return ;;\n"
         "        esac ;;\n    esac\n    case $two in");
    for (const command_row *c = commands; c->name; c++) {
        printf("    '%s'%s) _arguments", c->name, strchr(c->name, ' ') ? "" : "*");
        completion_zsh_options(c->opts);
        completion_zsh_options(commands_global);
        puts(" '*:word:_files' ;;");
    }
    puts("    esac\n}\n[[ $funcstack[1] == _rill ]] && _rill \"$@\" || compdef _rill rill");
    text_free(&words);
}

static void completion_fish_options(const opt *rows, const char *condition)
{
    for (; rows && rows->id != OPT_NONE; rows++) {
        printf("complete -c rill%s -l %s", condition, rows->name);
        if (rows->letter) printf(" -s %c", rows->letter);
        if (rows->arg) fputs(" -r", stdout);
        if (rows->kind == OPT_CHOICE) {
            fputs(" -f -a '", stdout);
            for (const char *p = rows->arg; *p; p++) putchar(*p == '|' ? ' ' : *p);
            putchar('\'');
        }
        fputs(" -d '", stdout);
        completion_quoted(rows->help, false);
        puts("'");
    }
}

static void completion_fish(void)
{
    size_t len;
    const char *first;
    char condition[160];
    puts("# fish completion of rill");
    for (size_t i = 0; (first = commands_first(i, &len)) != NULL; i++)
        printf("complete -c rill -f -n __fish_use_subcommand -a %.*s\n", (int)len, first);
    for (const command_row *c = commands; c->name; c++) {
        const char *second = strchr(c->name, ' ');
        snprintf(condition, sizeof condition, " -n '__fish_seen_subcommand_from %.*s%s%s'",
                 (int)strcspn(c->name, " "), c->name,
                 second ? "; and __fish_seen_subcommand_from" : "", second ? second : "");
        if (second) {
            printf("complete -c rill -f -n '__fish_seen_subcommand_from %.*s' -a%s -d '",
                   (int)(second - c->name), c->name, second);
            completion_quoted(c->brief, false);
            puts("'");
        }
        completion_fish_options(c->opts, condition);
    }
    puts("complete -c rill -f -n '__fish_seen_subcommand_from completion' -a 'bash zsh fish'");
    completion_fish_options(commands_global, "");
}

int run_completion(tool *t)
{
    const char *shell = tool_word(t, 0);
    if (strcmp(shell, "bash") == 0) completion_bash();
    else if (strcmp(shell, "zsh") == 0) completion_zsh();
    else if (strcmp(shell, "fish") == 0) completion_fish();
    else return tool_error(t, TOOL_USAGE, "'%s' is no shell that can be completed in: bash, zsh or "
                           "fish", shell);
    return TOOL_OK;
}
