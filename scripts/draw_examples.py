"""Draws the two pictures in examples/: ours, small, and recognisable for a CIFAR-10 network."""

from __future__ import annotations

from pathlib import Path

from PIL import Image, ImageDraw, ImageFilter

WIDTH, HEIGHT = 480, 360
EXAMPLES = Path(__file__).parent.parent / "examples"
Colour = tuple[int, int, int]


def shade(image: Image.Image, rows: range, top: Colour, bottom: Colour) -> None:
    draw = ImageDraw.Draw(image)
    for row in rows:
        share = (row - rows.start) / len(rows)
        colour = tuple(round(a + (b - a) * share) for a, b in zip(top, bottom, strict=True))
        draw.line([(0, row), (WIDTH, row)], fill=colour)


def ship() -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT))
    shade(image, range(230), (120, 170, 225), (215, 230, 245))
    shade(image, range(230, HEIGHT), (40, 90, 140), (15, 45, 85))
    draw = ImageDraw.Draw(image)
    draw.polygon([(90, 215), (400, 215), (360, 275), (130, 275)], fill=(60, 60, 70))
    draw.polygon([(90, 215), (400, 215), (393, 226), (97, 226)], fill=(150, 40, 35))
    draw.rectangle((270, 165, 350, 215), fill=(240, 240, 235))
    draw.rectangle((285, 130, 335, 165), fill=(235, 235, 230))
    draw.rectangle((300, 95, 322, 130), fill=(190, 60, 40))
    for left in range(278, 345, 14):
        draw.rectangle((left, 180, left + 7, 190), fill=(50, 70, 90))
    for left, colour in ((120, (170, 90, 50)), (165, (60, 110, 150)), (210, (190, 160, 70))):
        draw.rectangle((left, 190, left + 38, 215), fill=colour)
    draw.line([(150, 190), (150, 120)], fill=(70, 70, 75), width=5)
    draw.line([(150, 122), (215, 170)], fill=(70, 70, 75), width=3)
    for wave in range(40):
        x, y = (wave * 97) % WIDTH, 240 + (wave * 37) % 110
        draw.line([(x, y), (x + 30, y)], fill=(90, 135, 175), width=2)
    draw.polygon([(70, 272), (420, 272), (440, 284), (50, 284)], fill=(200, 215, 225))
    return image


def airplane() -> Image.Image:
    image = Image.new("RGB", (WIDTH, HEIGHT))
    shade(image, range(HEIGHT), (70, 130, 210), (190, 215, 240))
    draw = ImageDraw.Draw(image)
    draw.ellipse((70, 155, 410, 205), fill=(235, 238, 242))
    draw.polygon([(220, 185), (300, 185), (200, 270), (165, 270)], fill=(175, 182, 190))
    draw.polygon([(235, 165), (285, 165), (215, 115), (190, 115)], fill=(190, 196, 204))
    draw.polygon([(75, 178), (125, 165), (90, 100), (62, 100)], fill=(60, 90, 160))
    draw.polygon([(80, 182), (130, 185), (85, 215), (62, 212)], fill=(175, 182, 190))
    for left in range(170, 370, 16):
        draw.ellipse((left, 170, left + 7, 177), fill=(60, 80, 105))
    draw.ellipse((225, 205, 265, 222), fill=(120, 128, 138))
    return image


if __name__ == "__main__":
    EXAMPLES.mkdir(exist_ok=True)
    for name, image in (("ship", ship()), ("airplane", airplane())):
        image.filter(ImageFilter.GaussianBlur(1)).save(EXAMPLES / f"{name}.jpg", quality=90)
