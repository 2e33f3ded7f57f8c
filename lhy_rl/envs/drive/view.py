"""Pictures of ``lhy_rl/DriveCorridor-v0``: the road around the car from above, and the driver's observation."""

from __future__ import annotations

import numpy as np

from lhy_rl.envs import drawing
from lhy_rl.envs.drive import road

UNIT = 24  # pixels
CAR_AT = np.array([170.0, 300.0])  # from the left and from the top
BEHIND, AHEAD = 6.0, 16.0  # units of the road that are drawn
GRASS, VERGE, ROAD, RAIL = (58, 112, 60), (88, 140, 80), (150, 150, 155), (225, 225, 215)
CAR, OFF = (250, 250, 250), (230, 70, 60)
BODY = np.array([(-0.28, -0.5), (0.28, -0.5), (0.28, 0.3), (0.0, 0.55), (-0.28, 0.3)])  # of the car: right, ahead
EYES = 6  # enlargement of the driver's observation


def from_the_car(waves: np.ndarray, place: int, offset: float, heading: float, observation: np.ndarray) -> np.ndarray:
    """One picture, (400, 400, 3), the car's direction upwards.

    Args:
        waves: (3, 2) of the road.
        place: Steps so far.
        offset, heading: Offset and heading of the car, as in the dynamics.
        observation: (H, W) grey, the observation.
    """
    from PIL import Image, ImageDraw

    rest = waves.copy()
    rest[:, 1] += road.FREQUENCIES * (place - BEHIND)  # the same road, from behind the car on
    along = np.linspace(0.0, BEHIND + AHEAD, 90)
    angle = float(road.direction(rest[None], np.array([[BEHIND]]))[0, 0]) + heading
    here = road.from_above(rest, np.array([BEHIND]), np.array([offset]))[0]

    def pixels(points: np.ndarray) -> list[tuple[float, float]]:
        right, ahead = (points - here).T
        turned = np.stack(
            [right * np.cos(angle) - ahead * np.sin(angle), -right * np.sin(angle) - ahead * np.cos(angle)], 1
        )
        return [(float(x), float(y)) for x, y in 2 * (CAR_AT + UNIT * turned)]

    def edge(sideways: float) -> list[tuple[float, float]]:
        return pixels(road.from_above(rest, along, np.full(len(along), sideways)))

    image = Image.new("RGB", (2 * drawing.SIDE, 2 * drawing.SIDE), GRASS)  # twice as large, for smooth edges
    draw = ImageDraw.Draw(image)
    draw.polygon(edge(-2.0) + edge(2.0)[::-1], VERGE)
    draw.polygon(edge(-1.0) + edge(1.0)[::-1], ROAD)
    for side in (-2.0, 2.0):
        draw.line(edge(side), RAIL, 5)
    body = 2 * (CAR_AT + 1.4 * UNIT * BODY * (1, -1))
    draw.polygon([(float(x), float(y)) for x, y in body], OFF if abs(offset) > 1 else CAR)
    picture = np.array(image.resize((drawing.SIDE, drawing.SIDE), Image.Resampling.BOX))

    share = (observation.astype(float)[..., None] - road.GRASS) / (road.ROAD - road.GRASS)
    eyes = (share * (175, 175, 180) + (1 - share) * (40, 80, 42)).astype(np.uint8)
    eyes = np.pad(eyes.repeat(EYES, 0).repeat(EYES, 1), [(2, 2), (2, 2), (0, 0)], constant_values=255)
    left = drawing.SIDE - eyes.shape[1] - 8
    drawing.paste(picture, eyes, 8, left)
    drawing.label(picture, "the driver sees", len(eyes) + 8, left + eyes.shape[1] // 2, 13)
    return picture
