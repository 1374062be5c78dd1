#!/usr/bin/env python3
"""Makes the fixtures of this folder that are not written by hand.

Needs cjpeg (libjpeg-turbo-progs) and sox, and a built `remold` for the message itself:

    python3 tests/data/make.py target/release/remold

Every picture and sound is computed here, so that the project owes nobody a licence for them.
"""

import math
import pathlib
import random
import struct
import subprocess
import sys
import wave

HERE = pathlib.Path(__file__).resolve().parent


def landscape(width, height):
    """A sunset behind three ranges of hills, with grain: compresses much like a photograph."""
    grain = random.Random(20021)
    ranges = [
        (0.55, 0.05, 5.0, (96, 72, 104)),
        (0.68, 0.07, 3.1, (62, 52, 84)),
        (0.82, 0.09, 1.7, (30, 34, 48)),
    ]
    sun = (width * 0.68, height * 0.42, height * 0.09)
    pixels = bytearray()
    for y in range(height):
        for x in range(width):
            down = y / height
            red, green, blue = 255 - 60 * down, 140 + 60 * (1 - down) ** 2, 90 + 110 * (1 - down)
            away = math.hypot(x - sun[0], y - sun[1])
            glow = max(0.0, 1 - away / (sun[2] * 4)) ** 2
            red, green, blue = red + 40 * glow, green + 90 * glow, blue + 40 * glow
            if away < sun[2]:
                red, green, blue = 255, 238, 190
            for level, rise, waves, colour in ranges:
                turn = x / width * math.tau * waves
                edge = level - rise * (math.sin(turn) + 0.5 * math.sin(2.7 * turn + level * 9))
                if down > edge:
                    shade = 1 - 0.35 * (down - edge)
                    red, green, blue = (part * shade for part in colour)
            noise = grain.gauss(0, 4)
            pixels += bytes(max(0, min(255, int(part + noise))) for part in (red, green, blue))
    return b"P6 %d %d 255\n" % (width, height) + bytes(pixels)


def melody(path):
    """Two seconds of a rising chord at 8 kHz."""
    with wave.open(str(path), "wb") as out:
        out.setnchannels(1)
        out.setsampwidth(2)
        out.setframerate(8000)
        for n in range(16000):
            tone = sum(math.sin(math.tau * f * n / 8000) for f in (440, 554, 659)[: 1 + n // 5400])
            out.writeframesraw(struct.pack("<h", int(7000 * tone)))


def main(remold):
    jpeg = subprocess.run(
        ["cjpeg", "-quality", "90", "-optimize"],
        input=landscape(1280, 960), stdout=subprocess.PIPE, check=True,
    ).stdout
    (HERE / "sunset.jpg").write_bytes(jpeg)
    melody(HERE / "chord.wav")
    subprocess.run(
        ["sox", "-R", HERE / "chord.wav", "-t", "amr-nb", "-C", "7", HERE / "chord.amr"],
        check=True,
    )
    (HERE / "chord.wav").unlink()
    subprocess.run(
        [remold, "pdu", "encode", HERE / "greeting.json", "-o", HERE / "greeting.mms", "--force"],
        check=True,
    )


if __name__ == "__main__":
    main(sys.argv[1])
