from pentanet.report.palette import COLOURS, DARK, KNOWN, LIGHT, MID, styles


def luminance(colour: str) -> float:
    channels = [int(colour[i : i + 2], 16) / 255 for i in (1, 3, 5)]
    linear = [c / 12.92 if c <= 0.04045 else ((c + 0.055) / 1.055) ** 2.4 for c in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def contrast(a: str, b: str) -> float:
    low, high = sorted((luminance(a), luminance(b)))
    return (high + 0.05) / (low + 0.05)


def test_every_colour_stands_out_from_its_page() -> None:
    for colours, pages in ((LIGHT, ["#fbfbfa"]), (DARK, ["#111316"]), (MID, ["#ffffff", "#0d1117"])):
        assert len(set(colours)) == COLOURS
        for colour in colours:
            for page in pages:
                assert contrast(colour, page) >= 3, (colour, page)


def test_known_methods_keep_their_style_in_any_company() -> None:
    assert styles(["mine", "ternary"])["ternary"] == styles(["ternary", "pentanary"])["ternary"] == KNOWN["ternary"]


def test_no_two_methods_look_alike() -> None:
    names = [*KNOWN, *(f"new-{i}" for i in range(12))]
    assert len(set(styles(names).values())) == len(names)
