#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""README's table of Kafka's requests says what the door serves, in which versions, and which
settings of topics are obeyed: no more, and no less."""
import pathlib
import re
import sys

ROOT = pathlib.Path(__file__).resolve().parents[2]
KAFKA = ROOT / 'lib/front/kafka'


def served():
    """What is announced, by Kafka's names: {'Fetch': '4-18'}."""
    rows = (ROOT / 'lib/codec/kafka/kafka_rows_apis.h').read_text()
    names = dict(re.findall(r'API\(\d+, (\w+), \w+,\s*"(\w+)"', rows))
    table = re.findall(r'\{RI_KAFKA_(\w+), (\d+), (\d+),', (KAFKA / 'kafka_serve.c').read_text())
    return {names[key]: first if first == last else f'{first}-{last}' for key, first, last in table}


def told(readme):
    """The rows of the table, and the text of each."""
    begin = readme.index('| request | versions | |')
    versions, texts = {}, {}
    for line in readme[begin:].split('\n')[2:]:
        if not line.startswith('|'):
            break
        requests, numbers, text = [cell.strip() for cell in line.strip('|').split('|')]
        requests, numbers = requests.split(', '), numbers.split(', ')
        if len(requests) != len(numbers):
            raise SystemExit(f'README: {line}: {len(requests)} requests, {len(numbers)} versions')
        for request, number in zip(requests, numbers):
            versions[request] = number
            texts[request] = text
    return versions, texts


def obeyed():
    """The settings that change what a stream does, or how it takes records."""
    source = (KAFKA / 'kafka_configs.c').read_text()
    names = set(re.findall(r'kafka_configs_wanted(?:_number)?\([^"()]*"([a-z.]+)"', source))
    return names | {'message.timestamp.type'}


def problems(readme):
    table, (versions, texts) = served(), told(readme)
    for request in sorted(set(table) | set(versions)):
        if table.get(request) != versions.get(request):
            yield (f'{request}: the door serves {table.get(request, "none")}, README says '
                   f'{versions.get(request, "nothing")}')
    named = texts.get('CreateTopics', '').split(' are obeyed')[0]
    for setting in sorted(obeyed() ^ set(re.findall(r'`([a-z.]+)`', named))):
        yield f'{setting} is obeyed and not named in README, or named and not obeyed'


def main():
    readme = (ROOT / 'README.md').read_text()
    found = list(problems(readme))
    for line in found:
        print(line)
    plants = [('| 4-18 |', '| 4-17 |'), ('| ListConfigResources | 0-1 | |\n', ''),
              ('`retention.bytes`, ', ''), ('`retention.ms`, ', '`retention.ms`, `flush.ms`, ')]
    missed = [a for a, b in plants
              if a not in readme or len(list(problems(readme.replace(a, b, 1)))) <= len(found)]
    for plant in missed:
        print(f'a planted mistake was not found: {plant.strip()}')
    print(f'{len(served())} requests, {len(obeyed())} settings; {len(plants)} plants')
    return 1 if found or missed else 0


if __name__ == '__main__':
    sys.exit(main())
