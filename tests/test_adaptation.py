from dataclasses import asdict, replace

import numpy as np
import pytest
from samples import picture, tiny

import jaxanon
from jaxanon.adaptation import pace
from jaxanon.adaptation.losses import LOSSES, margin
from jaxanon.adaptation.option_groups import RandomTransforms, Stopping, UpdateRule
from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import FORMER_NAMES, Settings, preset
from jaxanon.adaptation.slots import Slots
from jaxanon.adaptation.stream import stream
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.keeping import TOP1
from jaxanon.errors import UsageError
from jaxanon.io.colour import as_grey
from jaxanon.runtime.arrays import is_grey


@pytest.fixture
def sources(tinies):
    return Ensemble(tinies[:2])


@pytest.fixture
def wishes(sources, pictures):
    """Decisions that the pictures do not have."""
    made = sources.decide(pictures)
    return np.stack([(made[0] + 1) % 10, (made[1] + 2) % 7])


def jobs_of(images, wishes, sources, settings):
    return [
        prepare(i, image, wish, sources, settings)
        for i, (image, wish) in enumerate(zip(images, wishes.T, strict=False))
    ]


@pytest.mark.parametrize("loss", ["cross_entropy", "margin"])
def test_sources_decide_as_wished_within_the_bound(sources, pictures, wishes, loss):
    result = jaxanon.adapt(pictures, wishes, sources, preset("fast", eps=24, loss=loss))
    assert result.status == ["kept"] * len(pictures)
    np.testing.assert_array_equal(sources.decide(result.images), wishes)
    np.testing.assert_array_equal(result.decisions, wishes)
    for image, before, steps in zip(result.images, pictures, result.steps, strict=True):
        assert image.shape == before.shape
        assert image.dtype == np.uint8
        assert 0 < np.abs(image.astype(int) - before).max() <= 24
        assert 1 <= steps <= 100


@pytest.mark.parametrize("loss", sorted(set(LOSSES) - {"soft"}))
def test_a_binary_classifier_is_led_to_either_decision(pictures, loss):
    """Its head has one output, whose sign decides."""
    ensemble = Ensemble([tiny("binary", seed=3, num_classes=2)])
    wished = 1 - ensemble.decide(pictures)
    result = jaxanon.adapt(pictures, wished, ensemble, Settings(steps=60, eps=60, loss=loss))
    np.testing.assert_array_equal(ensemble.decide(result.images), wished)


@pytest.mark.parametrize("smoothing", [0, 1.5])
def test_grey_images_come_out_grey_and_others_as_without(sources, pictures, wishes, smoothing):
    mixed = [as_grey(image) if i % 2 else image for i, image in enumerate(pictures)]
    settings = preset("fast", eps=30, steps=40, smoothing=smoothing)
    plain = jaxanon.adapt(mixed, wishes, sources, settings)
    kept = jaxanon.adapt(mixed, wishes, sources, replace(settings, keep_grey=True))
    for i, (image, before) in enumerate(zip(kept.images, plain.images, strict=True)):
        assert is_grey(image) == bool(i % 2)
        if i % 2 == 0:
            np.testing.assert_array_equal(image, before)
    np.testing.assert_array_equal(sources.decide(kept.images), kept.decisions)
    assert "kept" in kept.status[1::2], "one channel leads to decisions too"
    assert not any(is_grey(image) for image in plain.images), "what the option is for"


def test_channels_that_count_less_towards_luma_may_change_more(sources, pictures, wishes):
    settings = preset("fast", eps=30, luma_weight=0.6, keep_grey=True, confidence=30.0, steps=30)
    np.testing.assert_array_equal(settings.bounds, [17, 11, 30])
    np.testing.assert_array_equal(replace(settings, luma_weight=0).bounds, [30] * 3)
    assert replace(settings, eps=1, luma_weight=1).bounds.min() == 1, "each channel may change"
    mixed = [as_grey(pictures[0]), *pictures[1:]]
    grey, *others = jaxanon.adapt(mixed, wishes, sources, settings).images
    assert is_grey(grey)
    assert 0 < np.abs(grey.astype(int) - mixed[0]).max() <= 11, "all of its change is luma"
    gaps = np.stack(
        [abs(x.astype(int) - y).max((0, 1)) for x, y in zip(others, mixed[1:], strict=True)]
    )
    np.testing.assert_array_equal(gaps.max(0), settings.bounds)


def test_what_cannot_be_reached_is_partly(sources, pictures, wishes):
    result = jaxanon.adapt(pictures, wishes, sources, Settings(eps=1, steps=2, max_retries=2))
    made = sources.decide(result.images)
    assert "partly" in result.status
    for i, status in enumerate(result.status):
        assert (status == "kept") == bool((made[:, i] == wishes[:, i]).all())
    assert max(result.steps) == 2, "the bound holds over all rounds"


def test_an_image_that_is_right_already_is_left_alone(sources, pictures):
    made = sources.decide(pictures)
    result = jaxanon.adapt(pictures, made, sources, Settings(confidence=0.0))
    for image, before, steps in zip(result.images, pictures, result.steps, strict=True):
        np.testing.assert_array_equal(image, before)
        assert steps == 0


def test_nothing_moves_outside_the_mask(sources, pictures, wishes):
    masks = [np.zeros(image.shape[:2], bool) for image in pictures]
    for mask in masks:
        mask[mask.shape[0] // 4 :, : mask.shape[1] // 2] = True
    masks[0][:] = False
    result = jaxanon.adapt(pictures, wishes, sources, Settings(eps=40, steps=10), masks=masks)
    for image, before, mask in zip(result.images, pictures, masks, strict=True):
        np.testing.assert_array_equal(image[~mask], before[~mask])
    assert (result.images[1] != pictures[1]).any()
    assert result.status[0] == "partly"


@pytest.mark.parametrize("name", ["fast", "transfer"])
def test_where_nothing_may_change_no_step_is_made(sources, pictures, wishes, monkeypatch, name):
    """In any number; nor a further round, where it decides otherwise than it should."""
    taken = []
    monkeypatch.setattr(Slots, "fill", lambda _, waiting: taken.extend(waiting))
    monkeypatch.setattr(Slots, "advance", lambda _: [])
    settings = preset(name, steps=20)
    jobs = [
        prepare(
            (i, k), image, wishes[:, k], sources, settings, mask=np.zeros(image.shape[:2], bool)
        )
        for i in range(20)
        for k, image in enumerate(pictures[:3])
    ]
    most = []

    def check(items):
        most.append(len(items))
        return [False] * len(items)

    batches = (jobs[i : i + 2] for i in range(0, len(jobs), 2))
    out = list(stream(batches, Slots(sources, settings), check))
    assert sorted(item.job.key for item in out) == sorted(job.key for job in jobs)
    assert not taken
    assert sum(most) == len(jobs)
    assert max(most) <= sources.batch
    for item in out:
        assert item.steps == item.retries == 0
        np.testing.assert_array_equal(item.image, item.job.pixels)


def test_arguments_are_checked(sources, pictures, wishes):
    for bad, text in (
        ({"name": "fats"}, "unknown preset 'fats'; near matches: fast"),
        ({"eps": 0}, "eps is 0"),
        ({"eps": 2.5}, "eps is 2.5"),
        ({"steps": 0}, "steps is 0"),
        ({"loss": "margins"}, "near matches: margin"),
        ({"epsilon": 3}, "unknown setting 'epsilon'; near matches: .*eps"),
        ({"views": "flip"}, "views was renamed: use transforms"),
    ):
        with pytest.raises(UsageError, match=text):
            preset(**{"name": "fast"} | bad)
    for bad, text in (
        ({"slots": 0}, "slots is 0"),
        ({"masks": [None]}, "1 masks for 6 images"),
        ({"masks": [np.ones((2, 2), bool)] * 6}, "mask 0 is bool"),
    ):
        with pytest.raises(UsageError, match=text):
            jaxanon.adapt(pictures, wishes, sources, **bad)
    with pytest.raises(UsageError, match=r"decisions have shape \(1, 6\)"):
        jaxanon.adapt(pictures, wishes[:1], sources)
    with pytest.raises(UsageError, match=r"tiny_b must be in 0\.\.6"):
        jaxanon.adapt(pictures, wishes + [[0], [5]], sources)
    with pytest.raises(UsageError, match="image 0 is float64"):
        jaxanon.adapt([image / 255 for image in pictures], wishes, sources)


def test_no_images_are_no_error(sources):
    result = jaxanon.adapt([], np.zeros((2, 0), int), sources)
    assert result.images == []


def test_failures_go_back_with_a_larger_margin(sources, pictures, wishes, monkeypatch):
    """What the check refuses continues from where it stood, for so many rounds and no more."""
    settings = preset("fast", max_retries=2, steps=300, eps=32)
    margins = []
    real = Slots.fill

    def fill(self, waiting):
        for attempt in list(waiting)[: self.free]:
            problem = attempt.problem
            margins.append((attempt.job.key, problem.confidence, problem.steps, attempt.start))
        real(self, waiting)

    monkeypatch.setattr(Slots, "fill", fill)
    jobs = jobs_of(pictures[:3], wishes, sources, settings)
    seen = []

    def check(items):
        seen.extend(items)
        return [item.job.key == 0 for item in items]

    out = list(stream([jobs], Slots(sources, settings), check))
    assert sorted(item.job.key for item in out) == [0, 1, 2]
    assert sorted(item.job.key for item in seen) == [0, 1, 1, 1, 2, 2, 2]
    tries = [put for put in margins if put[0] == 1]
    came = [item for item in seen if item.job.key == 1]
    assert [put[1] for put in tries] == [0.5, 2.0, 3.5]
    assert [put[2] for put in tries] == [300, 300 - came[0].steps, 300 - came[1].steps]
    assert tries[0][3] is None
    for put, before in zip(tries[1:], came, strict=False):
        np.testing.assert_array_equal(put[3], before.levels)
        assert before.levels.any()
    rounds = {item.job.key: item.retries for item in out}
    assert rounds == {0: 0, 1: 2, 2: 2}


@pytest.mark.parametrize("final_fraction", [0.3, 0.0])
def test_what_goes_back_has_final_steps_alone(
    sources, pictures, wishes, monkeypatch, final_fraction
):
    """Random views would lead away from where it stands; without final steps they are new."""
    settings = preset(
        "transfer", steps=20, patience=2, confidence=0.0, final_fraction=final_fraction
    )
    problems = []
    real = Slots.fill

    def fill(self, waiting):
        problems.extend(attempt.problem for attempt in waiting)
        real(self, waiting)

    monkeypatch.setattr(Slots, "fill", fill)
    jobs = jobs_of(pictures[:1], sources.decide(pictures[:1]), sources, settings)
    tried = iter([False, True])
    (out,) = stream([jobs], Slots(sources, settings), lambda items: [next(tried)])
    first, second = problems
    assert out.retries == 1
    assert (first.steps, first.final_steps) == (20, round(20 * final_fraction))
    assert 0 < second.steps < 20
    assert (
        second.final_steps == second.unconditional_steps == (second.steps if final_fraction else 0)
    )
    assert second.seed != first.seed


def test_slots_are_refilled_before_the_batch_is_done(sources, pictures, wishes):
    """More jobs than slots, jobs drawn only as slots fall free."""
    drawn = []
    settings = preset("fast", eps=24)

    def batches():
        for i in range(12):
            drawn.append(i)
            yield [prepare(i, pictures[i % 6], wishes[:, i % 6], sources, settings)]

    running = Slots(sources, settings, slots=3)
    most = 0
    out = stream(batches(), running, lambda items: [True] * len(items))
    for count, _ in enumerate(out, 1):
        most = max(most, len(drawn) - count)
    assert len(drawn) == 12
    assert most <= 3 + 3 + sources.batch + 1


def test_one_compiled_program_serves_all_runs(sources, tinies, pictures, wishes, compilations):
    settings = preset("fast", eps=23)
    jobs = jobs_of(pictures, wishes, sources, settings)
    list(stream([jobs], Slots(sources, settings), lambda items: [True] * len(items)))
    compilations.clear()
    again = Ensemble(tinies[:2])
    list(stream([jobs], Slots(again, settings), lambda items: [True] * len(items)))
    assert compilations == []


def test_chunks_and_late_flags_give_the_same_result(sources, pictures, wishes):
    """Whatever their length and lag; one step alone is another program than a loop of several.

    Rounding may differ between these two, and a sign with it, on some processors.
    """
    settings = Settings(eps=24, steps=20)
    jobs = jobs_of(pictures, wishes, sources, settings)

    def run(length, lag, slots=None):
        running = Slots(sources, settings, slots=slots, length=length, lag=lag)
        out = stream([jobs[:4], jobs[4:]], running, lambda items: [True] * len(items))
        found = {a.job.key: a for a in out}
        return [found[i] for i in range(len(pictures))]

    alone, loops = run(1, 0), run(3, 0, slots=3)
    assert len({one.steps for one in alone}) > 1, "they end at different times"
    for same, other in ((alone, run(1, 1, slots=3)), (loops, run(2, 2, slots=3))):
        for one, again in zip(same, other, strict=True):
            assert one.steps == again.steps
            np.testing.assert_array_equal(one.image, again.image)
    for one, looped in zip(alone, loops, strict=True):
        assert one.steps == looped.steps
        assert np.mean(one.image != looped.image) < 0.1


def test_flags_are_read_at_once_where_that_costs_the_device_less(monkeypatch):
    monkeypatch.setattr(pace, "CHUNKS", 4)
    for turn, step, at_once in ((0.002, 0.040, True), (0.002, 0.003, False)):
        seen = pace.Pace(images=10)
        now = 0.0
        for chunk in range(5):
            assert not seen.known
            seen.read(now + turn, now + turn + step, held=32, finished=6 if chunk else 2)
            now += turn + step
        assert seen.known
        assert seen.at_once == at_once, "6 of 32 done per chunk: a chunk more costs a fifth"


def test_the_lag_may_change_in_the_middle_of_a_run(sources, pictures, wishes, monkeypatch):
    monkeypatch.setattr(pace, "CHUNKS", 1)
    settings = Settings(eps=24)
    jobs = jobs_of(pictures, wishes, sources, settings)
    slots = [Slots(sources, settings, 2, lag=lag) for lag in (0, 1)]
    slots[1]._measures = True  # as on an accelerator where no lag is asked for
    images = []
    for running in slots:
        out = stream([jobs], running, lambda items: [True] * len(items))
        images.append({a.job.key: a for a in out})
    assert not slots[1]._measures, "it was judged"
    assert images[0].keys() == images[1].keys() == {job.key for job in jobs}
    for key, one in images[0].items():
        np.testing.assert_array_equal(one.image, images[1][key].image)


def test_the_decisions_of_a_batch_share_one_forward_program(tinies, pictures):
    from jaxanon.classifiers.classifier import forward

    ensemble = Ensemble(tinies)
    ensemble.decide(pictures)
    before = forward._jitted("cpu")._cache_size()
    ensemble.decide(pictures[:1])
    Ensemble(tinies[:1]).decide(pictures * 3)
    assert forward._jitted("cpu")._cache_size() == before


def test_margin():
    assert margin(TOP1, np.array([1.0, 4.0, 2.5]), 1) == 1.5
    assert margin(TOP1, np.array([1.0, 4.0, 2.5]), 2) == -1.5


def test_ensembles_refuse_nonsense(tinies):
    with pytest.raises(UsageError, match="at least one"):
        Ensemble([])
    with pytest.raises(UsageError, match="named twice: tiny_a"):
        Ensemble([tinies[0], tinies[0]])
    with pytest.raises(ValueError, match="expected uint8"):
        Ensemble(tinies).decide([np.zeros((9, 9), np.uint8)])
    with pytest.raises(ValueError, match=r"expected \(batch, 32, 32, 3\)"):
        tinies[0].logits(np.zeros((1, 16, 16, 3), np.float32))


def test_names_in_place_of_what_they_stand_for_are_refused(sources, pictures, wishes):
    for settings in ("transfer", 5, {"eps": 8}):
        with pytest.raises(
            UsageError, match=r'settings is .*; give Settings or preset\("transfer"'
        ):
            jaxanon.adapt(pictures, wishes, sources, settings)
        with pytest.raises(UsageError, match="settings is"):
            jaxanon.attack(pictures, sources, settings)
    with pytest.raises(UsageError, match=r"ensemble is \['vgg16'\]; give load_ensemble"):
        jaxanon.adapt(pictures, wishes, ["vgg16"])
    with pytest.raises(UsageError, match="image 1 is a path; give read_image"):
        jaxanon.adapt([pictures[0], "a.jpg"], wishes[:, :2], sources)
    with pytest.raises(UsageError, match=r"mask 0 is a list, expected bool \(60, 80\)"):
        jaxanon.adapt(pictures[:1], wishes[:, :1], sources, masks=[[True]])


def test_every_option_says_what_it_does_and_every_former_name_has_one_now():
    options = Settings.options()
    assert all(len(option.help) > 20 for option in options.values())
    assert set(FORMER_NAMES.values()) <= set(options)
    assert not set(FORMER_NAMES) & set(options)
    for name in ("margin_step", "portion"):
        with pytest.raises(UsageError, match=f"{name} was renamed: use {FORMER_NAMES[name]}"):
            preset("fast", **{name: 1})


def test_groups_of_options_check_themselves():
    assert UpdateRule(step_size=2.0).momentum == 1
    assert set(asdict(RandomTransforms())) == {"transforms", "mixup", "num_copies", "seed"}
    for group, option, text in (
        (UpdateRule, {"step_size": 0}, "step_size is 0; it must be above 0, at most 255"),
        (UpdateRule, {"nesterov": True, "momentum": 0.0}, "used with a momentum above 0"),
        (UpdateRule, {"rule": "adam"}, "momentum is 1.0; it must be below 1 with the rule adam"),
        (
            UpdateRule,
            {"rule": "dual_averaging", "momentum": 0.0},
            "it must be above 0 with the rule",
        ),
        (
            UpdateRule,
            {"rule": "dual_averaging", "nesterov": True},
            "nesterov is True; it must be False with the rule dual_averaging",
        ),
        (UpdateRule, {"transform_confidence": 4.0}, "must be 10.0 without dual_averaging as the"),
        (Stopping, {"minimise_confidence": 0.0}, "must be 15.0 without minimise: it has no effect"),
        (RandomTransforms, {"transforms": "flop"}, "near matches: flip"),
        (Stopping, {"confidence_step": float("inf")}, "confidence_step is inf; it must be above 0"),
        (Stopping, {"confidence": float("nan")}, "confidence is nan; it must be 0 or more"),
        (Stopping, {"verify_every": 101}, "verify_every is 101; it must be 0 to the number of"),
        (
            Stopping,
            {"verify_every": 10, "queries": 9},
            "queries is 9; it must be at least 10, for so often are 100 steps verified with "
            "verify_every 10; or make that larger",
        ),
    ):
        with pytest.raises(UsageError, match=text):
            group(**option)


def test_as_many_queries_as_planned_verifications_will_do():
    assert Stopping(verify_every=10, queries=10).max_verifications == 10
    assert Stopping(queries=1).max_verifications == 1


def test_presets():
    assert preset("transfer").spends_all
    assert preset("transfer").rule == "dual_averaging"
    assert preset("balanced") == preset("transfer", steps=40)
    assert not preset("fast").spends_all
    assert preset("fast", eps=None, steps=7).steps == 7


def test_the_random_views_of_an_image_follow_its_content_and_the_seed(sources):
    def seed(pixels, run_seed=0):
        settings = preset("transfer", seed=run_seed)
        return int(prepare(0, pixels, np.zeros(2, int), sources, settings).problem.seed)

    one, other = picture(0, 30, 40), picture(1, 30, 40)
    assert seed(one) == seed(one.copy())
    assert len({seed(one), seed(other), seed(one, 1), seed(one.reshape(40, 30, 3))}) == 4


def test_a_stack_of_images_is_taken_like_a_list(sources, pictures, wishes):
    stack = np.stack(pictures[:1])
    kept = jaxanon.adapt(stack, wishes[:, :1], sources, preset("fast", steps=2))
    listed = jaxanon.adapt(list(stack), wishes[:, :1], sources, preset("fast", steps=2))
    np.testing.assert_array_equal(kept.images[0], listed.images[0])
