#!/usr/bin/env python3
# SPDX-License-Identifier: Apache-2.0
"""Reads a log from the essay in lib/store/log/segment.c alone and prints its live records.

    read_store.py DIRECTORY     one line a record: track id, seq, time, subject, flags, and
                                the CRC-32C of its headers and data
It reads commits, never footers, so that it checks what the library makes of both. What is damaged
or missing is told on stderr."""
import os
import struct
import sys

UNTOLD = (1 << 64) - 1
TABLE = []
for byte in range(256):
    for _ in range(8):
        byte = byte >> 1 ^ (0x82F63B78 if byte & 1 else 0)
    TABLE.append(byte)


def crc32c(data, crc=0):
    crc ^= 0xFFFFFFFF
    for byte in data:
        crc = TABLE[(crc ^ byte) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def u32(data, at):
    return struct.unpack_from('<I', data, at)[0]


def u64(data, at):
    return struct.unpack_from('<Q', data, at)[0]


def is_head(head, magic=b'rillseg\n'):
    return head[:8] == magic and u32(head, 60) == crc32c(head[:60])


class Segment:
    def __init__(self, data):
        self.data = data
        head = data[:64] if is_head(data[:64]) else data[-128:-64]
        if not is_head(head):
            raise ValueError('no segment header')
        version = u32(head, 8)
        if version > 2 or u32(head, 12) != 0:
            raise ValueError('format version %d, features %x' % (version, u32(head, 12)))
        self.log_id, self.number = u64(head, 24), u64(head, 32)
        self.before = self.number - u32(head, 44) if version > 1 else None
        self.first, self.chain = u64(head, 48), u32(head, 56)
        self.sealed = data[-64:-56] == b'rillend\n' and u64(data, len(data) - 56) == self.number
        self.seed = crc32c(struct.pack('<QQ', self.log_id, self.number))
        self.subjects = {}

    def commits(self):
        """(flags, number, entries) of each commit in its order; ends where the log does."""
        at, number, chain = 64, self.first, self.chain
        while at + 64 <= len(self.data):
            head = self.data[at:at + 64]
            if head[:4] != b'rcmt' or u32(head, 60) != crc32c(head[:60], self.seed):
                return
            if u64(head, 8) != self.number or u64(head, 16) != number or u32(head, 52) != chain:
                return
            entries, end = [], at + 64 + u32(head, 36)
            words, at = 0, at + 64
            for _ in range(u32(head, 40)):
                length = u32(self.data, at + 4)
                words = crc32c(self.data[at:at + 4], words)
                entries.append(self.data[at:at + length])
                at += (length + 7) // 8 * 8
            if at != end or words != u32(head, 48):
                return
            yield u32(head, 4), number, entries
            number, chain = number + 1, u32(head, 60)


class Track:
    def __init__(self, ident, options):
        self.id, self.options, self.floor, self.records = ident, options, 0, {}

    def purge(self, floor):
        self.floor = max(self.floor, floor)
        self.records = {s: r for s, r in self.records.items() if s >= self.floor}

    def put(self, seq, record):
        if seq < self.floor or (self.options & 2 and any(s > seq for s in self.records)):
            return
        if self.options & 2:
            self.records = {}
        self.records[seq] = record


def apply(segment, entry, tracks, before):
    kind, bits, number = entry[8], entry[9], u32(entry, 12)
    if u32(entry, 0) != crc32c(entry[4:], segment.seed):
        return  # erased, or damaged
    if kind == 9:
        before[u64(entry, 24)] = None if u64(entry, 16) == UNTOLD else u64(entry, 16)
        return
    if kind == 3:
        segment.subjects[u32(entry, 16)] = entry[20:]
        return
    if kind == 4:
        ident = u64(entry, 32)
        if number not in tracks:
            for old in [n for n, t in tracks.items() if t.id == ident]:
                del tracks[old]
            tracks[number] = Track(ident, u32(entry, 40))
        tracks[number].purge(u64(entry, 24))
        return
    track = tracks.get(number)
    if track is None:
        return
    if kind == 1:
        skip = 44 + u32(entry, 40) if bits & 1 else 40
        body = entry[44:skip] + entry[skip:] if bits & 1 else entry[40:]
        name = segment.subjects[u32(entry, 32)].decode()
        seq, time = u64(entry, 16), struct.unpack_from('<q', entry, 24)[0]
        track.put(seq, (time, name or '-', u32(entry, 36), crc32c(body)))
    elif kind == 2:
        batch = entry[32:]
        time = struct.unpack_from('>q', batch, 27)[0] * 1000000
        for seq in range(u64(entry, 16), u64(entry, 24) + 1):
            track.put(seq, (time, '-', 1 << 31, crc32c(batch)))
    elif kind == 6:
        track.purge(u64(entry, 16))
    elif kind == 7:
        for seq in [s for s in track.records if u64(entry, 16) <= s <= u64(entry, 24)]:
            del track.records[seq]
    elif kind == 8:
        del tracks[number]


def load(directory):
    files, segments = [], []
    for name in sorted(os.listdir(directory)):
        if name.endswith('.seg'):
            with open(os.path.join(directory, name), 'rb') as file:
                files.append((name, file.read()))
    old = not any(is_head(data[:64]) and u32(data, 8) > 1 for _, data in files)
    for name, data in files:
        zeros = not any(data[:64])
        if is_head(data[:64], b'rillfree') or (zeros and (old or not any(data))):
            continue
        try:
            segments.append(Segment(data))
        except ValueError as error:
            print(name, error, file=sys.stderr)
    return sorted(segments, key=lambda s: s.number)


def read(segments):
    """The tracks, and of each segment the number of the one before it."""
    tracks, waiting, before = {}, [], {s.number: s.before for s in segments}
    for segment in segments:
        for flags, _, entries in segment.commits():
            waiting.append((segment, entries))
            if flags & 1:
                continue
            for where, which in waiting:
                for entry in which:
                    apply(where, entry, tracks, before)
            waiting = []
    return tracks, before


def main(directory):
    segments = load(directory)
    while True:
        tracks, before = read(segments)
        given_up, last = set(), 0
        for number in [s.number for s in segments]:
            if before[number] is not None and before[number] < last:
                given_up |= {s.number for s in segments if before[number] < s.number < number}
            last = number
        if not given_up:
            break
        segments = [s for s in segments if s.number not in given_up]
    last = 0
    for segment in segments:
        if before[segment.number] is not None and before[segment.number] > last:
            print('segment', before[segment.number], 'is missing', file=sys.stderr)
        last = segment.number
    if segments and segments[-1].sealed:
        print('the segment behind', last, 'is missing', file=sys.stderr)
    for track in sorted(tracks.values(), key=lambda t: t.id):
        if track.id >> 63:  # what the log notes of the producers of the track beside it
            continue
        for seq, (time, subject, flags, crc) in sorted(track.records.items()):
            print(track.id, seq, time, subject, flags, '%08x' % crc)


main(sys.argv[1])
