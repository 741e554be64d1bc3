"""The methods for transfer in the loop: each does what it claims, and is missed when left out."""

import math
from functools import partial

import jax
import jax.numpy as jnp
import numpy as np
import pytest
from flax import nnx

import jaxanon
from jaxanon.adaptation import objective
from jaxanon.adaptation.ensemble_modes import drawn_half
from jaxanon.adaptation.losses import LOSSES
from jaxanon.adaptation.objective import gradients, slopes
from jaxanon.adaptation.problem import prepare
from jaxanon.adaptation.settings import Settings, preset
from jaxanon.adaptation.step import init, plain, smooth, step, update_rule
from jaxanon.adaptation.transforms import TRANSFORMS
from jaxanon.adaptation.visits import next_source, none_yet, visit
from jaxanon.classifiers.ensemble import Ensemble
from jaxanon.classifiers.layers.mixup import MOST, mixed, mixing
from jaxanon.errors import UsageError

LONG = {"steps": 4, "confidence": np.inf, "step_size": 4.0}


@pytest.fixture(scope="module")
def sources(tinies):
    return Ensemble([tinies[0], tinies[2]])


@pytest.fixture(scope="module")
def wishes(sources, small):
    return (sources.decide(small) + 1) % 10


@pytest.fixture(scope="module")
def small():
    from samples import picture

    return [picture(i, 40, 44) for i in range(4)]


def stacked(sources, small, wishes, settings):
    """Problems and perturbations of all pictures, as the compiled program has them."""
    jobs = [prepare(i, image, wishes[:, i], sources, settings) for i, image in enumerate(small)]
    problems = jax.tree.map(lambda *leaves: jnp.stack(leaves), *[job.problem for job in jobs])
    return problems, jnp.zeros(problems.below.shape, jnp.float32)


def here(sources, small, wishes, settings, steps=0, still=False):
    problems, deltas = stacked(sources, small, wishes, settings)
    return slopes(
        sources.networks, settings.on("cpu"), sources.params, deltas, problems,
        jnp.full(len(small), steps), jnp.full(len(small), still),
    )  # fmt: skip


def images_of(sources, small, wishes, **changes):
    return np.stack(jaxanon.adapt(small, wishes, sources, Settings(**LONG | changes)).images)


@pytest.fixture(scope="module")
def plain_images(sources, small, wishes):
    return images_of(sources, small, wishes)


OPTIONS = [
    *(
        {"transforms": f"{name}:{40 if name == 'jpeg' else TRANSFORMS[name].strength}"}
        for name in TRANSFORMS
    ),
    {"momentum": 0.0}, {"nesterov": True, "momentum": 0.5}, {"smoothing": 2.0}, {"mixup": 0.5},
    {"rule": "proportional"}, {"rule": "adam", "momentum": 0.9}, {"rule": "dual_averaging"},
    {"loss": "logit"}, {"loss": "margin"}, {"ensemble_mode": "logits"}, {"ensemble_mode": "subset"},
    {"ensemble_mode": "drawn", "transforms": "flip"},
    {"ensemble_mode": "drawn", "transforms": "flip", "rule": "dual_averaging"},
]  # fmt: skip


@pytest.mark.parametrize("option", OPTIONS, ids=str)
def test_left_out_it_is_missed(sources, small, wishes, plain_images, option):
    """With the method the result is another, the same one when repeated, and within the bound."""
    made = images_of(sources, small, wishes, **option)
    assert (made != plain_images).any()
    assert np.abs(made.astype(int) - np.stack(small)).max() <= 16
    alone = jaxanon.adapt(small[2:3], wishes[:, 2:3], sources, Settings(**LONG | option)).images[0]
    np.testing.assert_array_equal(alone, made[2], "it depends on the image alone")


@pytest.mark.parametrize("option", [{"num_copies": 3}, {"num_neighbors": 2}], ids=str)
def test_several_gradients_a_step_are_missed_when_left_out(sources, small, wishes, option):
    views = {"transforms": "resize:0.5"}
    one = images_of(sources, small, wishes, **views)
    assert (images_of(sources, small, wishes, **views, **option) != one).any()
    assert Settings(**views, **option).gradients == 3


def test_copies_average_over_views(sources, small, wishes):
    settings = Settings(transforms="resize:0.5", num_copies=3, confidence=np.inf).on("cpu")
    problems, deltas = stacked(sources, small, wishes, settings)
    still = jnp.zeros(len(small), bool)
    parts = []
    for which in range(3):
        keys = jax.vmap(
            lambda seed, which=which: jax.random.fold_in(
                jax.random.fold_in(jax.random.key(seed), 0), which
            )
        )(problems.seed)
        parts.append(
            gradients(sources.networks, settings, sources.params, deltas, problems, still, keys)
        )
    found = here(sources, small, wishes, settings)
    np.testing.assert_allclose(found.gradient, np.mean([g for g, _ in parts], 0), atol=1e-7)
    np.testing.assert_array_equal(found.margins, np.min([margins for _, margins in parts], 0))
    assert not np.allclose(parts[0][0], parts[1][0])


def test_variance_is_the_gradient_nearby_minus_the_one_here(sources, small, wishes, monkeypatch):
    settings = Settings(num_neighbors=20, confidence=np.inf)
    seen = []

    def straight(networks, settings, params, deltas, problems, still, keys):
        """A loss whose gradient is three times the place."""
        seen.append(np.asarray(deltas))
        return 3 * deltas + 1, jnp.zeros((len(deltas), 2))

    monkeypatch.setattr(objective, "gradients", straight)
    found = here(sources, small, wishes, settings)
    assert len(seen) == settings.gradients == 21
    np.testing.assert_array_equal(found.gradient, 1)
    np.testing.assert_allclose(found.variance, 3 * np.mean(seen[1:], 0), atol=1e-6)
    reach = 1.5 * 16 / 255
    assert 0.99 * reach < np.abs(seen[1:]).max() < 1.0001 * reach
    assert np.abs(np.mean(seen[1:])) < 0.01 * reach


def test_the_last_variance_is_added_to_the_next_gradient(sources, small, wishes):
    settings = Settings(num_neighbors=1, momentum=0.0, confidence=np.inf)
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    gradient = jnp.ones(problem.below.shape)
    state = init(settings, jnp.zeros(problem.below.shape))
    slope = objective.Slope(gradient, jnp.zeros(2), -3 * gradient)
    first = step(settings, problem, state, slope)
    second = step(settings, problem, first, slope)
    free = np.asarray(problem.below) > 0
    assert (np.asarray(first.delta)[free] < 0).all(), "against the gradient"
    assert (np.asarray(second.delta - first.delta)[free] > 0).all(), "1 - 3 < 0"


def test_smoothing_is_a_gaussian(rng):
    dot = np.zeros((32, 3, 32), np.float32)
    dot[16, 1, 15] = 1
    spread = np.asarray(smooth(jnp.asarray(dot), 2.0))
    assert spread.sum() == pytest.approx(1, abs=1e-3)
    assert (spread[:, [0, 2]] == 0).all(), "channels do not mix"
    rows, columns = np.mgrid[:32, :32]
    expected = np.exp(-((rows - 16) ** 2 + (columns - 15) ** 2) / 8)
    np.testing.assert_allclose(spread[:, 1], expected / expected.sum(), atol=1e-5)
    noise = rng.normal(size=(32, 3, 32)).astype(np.float32)
    assert np.abs(smooth(jnp.asarray(noise), 2.0)).mean() < 0.3 * np.abs(noise).mean()


@pytest.mark.parametrize("nesterov", [False, True])
def test_momentum_accumulates_normalised_gradients(nesterov):
    settings = Settings(momentum=0.5, nesterov=nesterov, step_size=2.0)
    rule = update_rule(settings)
    g1, g2 = jnp.array([3.0, -4.0]), jnp.array([-0.6, -0.1])
    state = rule.init(g1)
    _, state = rule.update(g1, state)
    update, _ = rule.update(g2, state)
    n1, n2 = g1 / jnp.linalg.norm(g1), g2 / jnp.linalg.norm(g2)
    trace = 0.5 * n1 + n2
    wanted = -2 / 255 * jnp.sign(n2 + 0.5 * trace if nesterov else trace)
    np.testing.assert_allclose(update, wanted, rtol=1e-6)


def test_proportional_steps_follow_the_gradient_up_to_twice_the_length():
    rule = update_rule(Settings(rule="proportional", momentum=0.0, step_size=5.0))
    gradient = jnp.array([0.1, -0.1, 0.0, 1.3])  # 0.5 on average, without the zero
    update, _ = rule.update(gradient, rule.init(gradient))
    np.testing.assert_allclose(update * 255, [-1, 1, 0, -10], atol=1e-5)


def test_with_adam_a_cell_moves_as_far_as_its_gradients_agree():
    rule = update_rule(Settings(rule="adam", momentum=0.9, step_size=5.0))
    steady = jnp.array([0.8, -0.6, 0.0])
    state = rule.init(steady)
    for turn in (1, -1, 1, -1, 1):
        update, state = rule.update(steady * jnp.array([1, turn, 1]), state)
    first = 0.1 * sum(0.9 ** (4 - i) * (-1) ** i for i in range(5)) / (1 - 0.9**5)
    np.testing.assert_allclose(update * 255, [-5, 5 * first, 0], atol=1e-4)
    assert 0 < first < 0.3


@pytest.mark.parametrize("decay", [1.0, 0.5])
def test_dual_averaging_moves_a_cell_as_far_as_its_gradients_agree(decay):
    """From where it began, wherever a bound has left it; what is chance stays near."""
    rule = update_rule(
        Settings(rule="dual_averaging", momentum=decay, step_size=2.0, transform_confidence=4.0)
    )
    steady, start = jnp.array([0.8, -0.6, 0.0]), jnp.array([0.1, 0.2, 0.3])
    delta, state, amplitude, places = start, rule.init(start), 2.0, []
    for sign, margin in ((1, -3.0), (-1, 3.9), (1, 4.1), (-1, 2.0)):
        gradient = steady * jnp.array([1, sign, 1])
        more = {"margin": jnp.float32(margin), "bound": jnp.float32(2.4 / 255)}
        update, state = rule.update(gradient, state, delta, **more)
        delta = jnp.clip(delta + update, start - 3 / 255, start + 3 / 255)
        amplitude = min(amplitude * (1.15 if margin < 4 else 0.95), 2.4)
        places.append(((delta - start) * 255 / amplitude, 3 / amplitude))
    weights = decay ** np.arange(4)[::-1]
    for count, (found, most) in enumerate(places, start=1):
        kept = weights[-count:]
        sums = np.array([-kept.sum(), (kept * [1, -1, 1, -1][:count]).sum(), 0])
        wanted = np.clip(sums / np.sqrt((kept**2).sum()), -most, most)
        np.testing.assert_allclose(found, wanted, atol=1e-3)


def test_dual_averaging_changes_an_image_by_less_where_less_is_asked(sources, small):
    content = sources.decide(small)

    def change(transform_confidence):
        made = images_of(
            sources,
            small,
            content,
            rule="dual_averaging",
            transform_confidence=transform_confidence,
        )
        return np.abs(made.astype(int) - np.stack(small)).mean()

    assert 0 < change(0.0) < change(np.inf)


def test_the_amplitude_follows_the_least_sure_source_up_to_the_bound(sources, small, wishes):
    settings = Settings(
        rule="dual_averaging",
        transform_confidence=4.0,
        transforms="flip",
        confidence=np.inf,
        step_size=1.2,
        eps=2,
    )
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    state = init(settings, jnp.zeros(problem.below.shape))
    found = []
    for margins in ((9, 1), (9, 5), (1, 1), (1, 9), (3, 3), (3, 3), (3, 3)):
        slope = objective.Slope(
            jnp.ones(problem.below.shape), jnp.array(margins, jnp.float32), None
        )
        state = step(settings, problem, state, slope)
        found.append(float(state.optimizer[-1].amplitude) * 255)
    wanted = 1.2 * np.cumprod([1.15, 0.95, 1.15, 1.15, 1.15, 1.15, 1.15])
    np.testing.assert_allclose(found, np.minimum(wanted, 2), rtol=1e-5)
    assert wanted[-1] > 2 > wanted[2]


def test_losses_by_hand():
    logits = jnp.array([1.0, 3.0, 2.0])
    p = np.exp([1, 3, 2]) / np.exp([1, 3, 2]).sum()
    soft_label = jnp.array([0.2, 0.5, 0.3])
    by_hand = {
        "cross_entropy": -np.log(p[2]),
        "logit": -2,
        "margin": 1,
        "soft": -(np.asarray(soft_label) * np.log(p)).sum(),
    }
    assert by_hand.keys() == LOSSES.keys()
    for name, value in by_hand.items():
        assert LOSSES[name](logits, 2, soft_label) == pytest.approx(value), name


def test_soft_targets_bring_the_probabilities_back(sources, small):
    """And nothing else does: they are asked for, and used."""
    wishes, logits = sources.decide(small), sources.logits(small)
    soft_labels = [np.exp(s) / np.exp(s).sum(1, keepdims=True) for s in logits]
    grey = [np.full_like(image, 128) for image in small]
    settings = Settings(**LONG | {"steps": 40, "eps": 60, "loss": "soft"})
    made = jaxanon.adapt(grey, wishes, sources, settings, soft_labels=soft_labels).images

    def distance(images):
        found = sources.logits(images)
        logs = [s - np.log(np.exp(s).sum(1, keepdims=True)) for s in found]
        return -np.mean([(b * s).sum(1).mean() for b, s in zip(soft_labels, logs, strict=True)])

    assert distance(made) < 0.7 * distance(grey)
    with pytest.raises(UsageError, match="soft needs the sources' probabilities"):
        jaxanon.adapt(grey, wishes, sources, settings)
    with pytest.raises(UsageError, match=r"soft_labels of tiny_a have shape \(4, 9\)"):
        jaxanon.adapt(grey, wishes, sources, settings, soft_labels=[b[:, :9] for b in soft_labels])


def test_half_of_the_sources_are_drawn_evenly():
    draw = jax.vmap(partial(drawn_half, 5))(jax.random.split(jax.random.key(0), 500))
    assert (draw.sum(1) == 3).all()
    np.testing.assert_allclose(draw.mean(0), 0.6, atol=0.08)


def test_mean_logits_are_one_classifier(sources, small, wishes):
    """The loss of each source is that of the mean, and the margins stay the sources' own."""
    settings = Settings(ensemble_mode="logits")
    logits = (jnp.array([1.0, 3.0, -2.0]), jnp.array([4.0, 0.0, 1.0]))
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    problem = problem._replace(decisions=jnp.array([0, 2]), confidence=jnp.float32(100))
    found, margins = objective.score(settings, logits, problem, jnp.bool_(True), jax.random.key(0))
    mean = np.mean(logits, 0)
    logs = mean - np.log(np.exp(mean).sum())
    assert float(found) == pytest.approx(-logs[0] - logs[2], rel=1e-5)
    np.testing.assert_allclose(margins, [-2, -3])


@pytest.mark.parametrize("ensemble_mode", ["losses", "subset"])
def test_in_random_views_convinced_sources_still_count(sources, small, wishes, ensemble_mode):
    """In final steps only those that are not convinced do, none of them left out by chance."""
    settings = Settings(ensemble_mode=ensemble_mode, transforms="flip", confidence=1.0)
    logits = (jnp.array([9.0, 0.0]), jnp.array([0.0, 0.5]))
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)._replace(decisions=jnp.array([0, 0]))

    def counted(still, seed):
        def total(logits):
            key = jax.random.key(seed)
            return objective.score(settings, logits, problem, jnp.bool_(still), key)[0]

        return [bool(jnp.abs(slope).sum() > 0) for slope in jax.grad(total)(logits)]

    looks = [counted(False, seed) for seed in range(8)]
    if ensemble_mode == "losses":
        assert looks == [[True, True]] * 8
    else:
        assert {tuple(look) for look in looks} == {(True, False), (False, True)}, "drawn anew"
    assert [counted(True, seed) for seed in range(8)] == [[False, True]] * 8


def test_each_step_draws_another_half(sources, small, wishes):
    settings = Settings(ensemble_mode="subset", confidence=np.inf)
    found = [here(sources, small, wishes, settings, steps).gradient[0] for steps in range(8)]
    assert len({np.asarray(gradient).tobytes() for gradient in found}) == 2


def test_mean_logits_need_equal_classes(tinies, small):
    wishes = np.zeros((2, len(small)), int)
    with pytest.raises(UsageError, match="ensemble_mode=logits needs sources of equal classes"):
        jaxanon.adapt(small, wishes, Ensemble(tinies[:2]), Settings(ensemble_mode="logits"))


def test_features_are_mixed_with_those_of_pictures_alone(rng):
    features = jnp.asarray(rng.normal(size=(6, 4, 4, 5)), jnp.float32)  # 4 images, 2 pictures
    keys = jax.random.split(jax.random.key(0), 4)
    np.testing.assert_array_equal(mixed(features), features)
    with mixing(jnp.zeros(4), keys, 2):
        np.testing.assert_array_equal(mixed(features), features)
    with mixing(jnp.ones(4), keys, 2):
        out = mixed(features)
        other_layer = mixed(features)
    assert not np.allclose(out, other_layer), "each layer draws anew"
    np.testing.assert_array_equal(out[4:], features[4:])
    with mixing(jnp.array([1.0, 0, 0, 1]), keys, 2):
        np.testing.assert_array_equal(mixed(features)[1:3], features[1:3])
    for image, was in zip(out[:4], features[:4], strict=True):
        fits = []
        for picture in features[4:]:
            shares = ((image - was) / (picture - was)).reshape(-1, 5)
            fits.append((shares.std(0).max(), shares.mean(0)))
        error, shares = min(fits, key=lambda fit: float(fit[0]))
        assert error < 1e-3, "one share for each channel"
        assert ((shares >= 0) & (shares <= MOST)).all()
        assert shares.std() > 0.01

    def picked(features):
        with mixing(jnp.ones(4), keys, 2):
            return mixed(features)[:4].sum()

    slope = jax.grad(picked)(features)
    np.testing.assert_array_equal(slope[4:], 0)
    assert (np.asarray(slope[:4]) > 0).all()


def test_windows_are_mixed_with_pictures_alone(rng):
    """A layer of Swin sees all windows in one row; those of a neighbour stay out."""
    from jaxanon.classifiers.families.swin import SwinBlock

    block = SwinBlock(32, 14, shifted=True)
    state = nnx.state(block)
    nnx.update(block, jax.tree.map(lambda a: jnp.asarray(rng.normal(size=a.shape), a.dtype), state))
    batch = jnp.asarray(rng.normal(size=(5, 14, 14, 32)), jnp.float32)  # 3 images, 2 pictures

    def made(batch):
        with mixing(jnp.ones(3), jax.random.split(jax.random.key(0), 3), 2):
            return np.asarray(block(batch))

    before, plain = made(batch), np.asarray(block(batch))
    assert not np.allclose(before[0], plain[0])
    np.testing.assert_array_equal(before[3:], plain[3:])
    for place, changes in ((1, False), (3, True), (4, True)):
        after = made(batch.at[place].set(0))
        assert np.array_equal(after[0], before[0]) != changes, place


def test_mixing_reaches_the_layers_and_leaves_the_batch_of_another_alone(sources, small, wishes):
    settings = Settings(mixup=1.0, confidence=np.inf)
    mixed_slope = here(sources, small, wishes, settings).gradient
    assert not np.allclose(mixed_slope, here(sources, small, wishes, Settings()).gradient)
    np.testing.assert_allclose(
        here(sources, small[1:2], wishes[:, 1:2], settings).gradient[0], mixed_slope[1], atol=1e-6
    )


@pytest.mark.parametrize("patience", [1, 3])
def test_patience_asks_for_so_many_views_in_a_row(sources, small, wishes, patience):
    settings = Settings(transforms="resize", patience=patience, confidence=1.0)
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    state = init(settings, jnp.zeros(problem.below.shape))
    gradient = jnp.ones(problem.below.shape)
    done = []
    for margins in ((2, 2), (2, 0.5), (2, 2), (2, 2), (1.0, 2), (0, 0)):
        slope = objective.Slope(gradient, jnp.array(margins, jnp.float32), None)
        state = step(settings, problem, state, slope)
        done.append(bool(state.done))
    assert done.index(True) == {1: 0, 3: 4}[patience]


def test_closing_steps_see_the_image_as_it_is(sources, small, wishes):
    settings = Settings(transforms="resize:1", mixup=1.0, confidence=1.0)
    same = here(sources, small, wishes, settings, still=True)
    wanted = here(sources, small, wishes, Settings(confidence=1.0))
    np.testing.assert_allclose(same.margins, wanted.margins, atol=1e-5)
    np.testing.assert_allclose(same.gradient, wanted.gradient, atol=1e-6)
    assert not np.allclose(here(sources, small, wishes, settings).margins, wanted.margins)


CONVINCED, NOT = (2.0, 2.0), (2.0, 0.5)


@pytest.mark.parametrize(
    ("margins", "looks", "forgets", "made"),
    [
        # the image as it is convinces when the final steps begin: random transforms, then two
        # unconditional
        ([NOT] * 8 + [CONVINCED] + [NOT] * 11, "rrrrrrrrprrrrrrrrrpp", [18], 20),
        ([NOT] * 8 + [CONVINCED] + [NOT] * 9 + [CONVINCED], "rrrrrrrrprrrrrrrrrp", [], 18),
        # it does not: final steps until it does, or to the end
        ([CONVINCED] * 8 + [NOT] * 3 + [CONVINCED], "r" * 8 + "pppp", [8], 11),
        ([CONVINCED] * 8 + [NOT] * 12, "r" * 8 + "p" * 12, [8], 20),
    ],
)
def test_the_way_to_the_end(sources, small, wishes, margins, looks, forgets, made):
    """20 steps, 12 of them final, two of these unconditional: random (r) or plain (p) looks."""
    settings = Settings(
        transforms="flip", steps=20, final_fraction=0.6, confidence=1.0, patience=99
    )
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    state = init(settings, jnp.zeros(problem.below.shape))
    slope = objective.Slope(jnp.zeros(problem.below.shape), jnp.zeros(2), None)
    seen, forgotten = "", []
    for at, margin in enumerate([*margins, NOT]):
        seen += "p" if plain(settings, problem, state) else "r"
        optimizer = jax.tree.map(lambda leaf: jnp.full_like(leaf, 5.0), state.optimizer)
        slope = slope._replace(margins=jnp.array(margin))
        state = step(settings, problem, state._replace(optimizer=optimizer), slope)
        if bool(state.done):
            break
        if float(max(leaf.max() for leaf in jax.tree.leaves(state.optimizer))) < 5:
            forgotten.append(at)
    assert (seen[: len(looks)], forgotten, int(state.steps)) == (looks, forgets, made)


@pytest.mark.parametrize("final_fraction", [0.3, 1.0])
def test_images_that_convince_as_they_are_end_with_the_first_final_step(
    sources, small, final_fraction
):
    right = sources.decide(small)
    settings = Settings(
        transforms="resize:1", steps=10, final_fraction=final_fraction, patience=99,
        confidence=0.0, eps=1,
    )  # fmt: skip
    result = jaxanon.adapt(small, right, sources, settings)
    assert result.steps == [10 - math.ceil(10 * final_fraction / 6)] * len(small)


@pytest.mark.parametrize("name", ["fast", "transfer"])
def test_an_attack_is_the_loop_the_other_way_round(sources, small, name):
    before = sources.decide(small)
    result = jaxanon.attack(small, sources, preset(name, eps=60))
    assert result.status == ["fooled"] * len(small)
    assert (sources.decide(result.images) != before).all()
    assert np.abs(np.stack(result.images).astype(int) - np.stack(small)).max() <= 60


def test_a_targeted_attack_reaches_its_class(sources, small):
    result = jaxanon.attack(small, sources, Settings(eps=40), target_class=4)
    assert result.status == ["reached"] * len(small)
    assert (sources.decide(result.images) == 4).all()
    each = np.arange(len(small)) + 3
    np.testing.assert_array_equal(
        jaxanon.attack(small, sources, Settings(eps=40), target_class=each).decisions,
        np.stack([each, each]),
    )


def test_attacks_refuse_what_makes_no_sense(sources, small):
    for options, text in (
        (
            {"target_class": [1, 2]},
            r"target_class has shape \(2,\); give one class, or",
        ),
        (
            {"target_class": 4, "settings": Settings(loss="soft")},
            "loss is 'soft'; it must be another for an attack",
        ),
        ({"settings": Settings(loss="soft")}, "loss is 'soft'"),
    ):
        with pytest.raises(UsageError, match=text):
            jaxanon.attack(small, sources, **options)


def test_the_goal_is_that_of_the_function(sources, small):
    before = sources.decide(small)
    kept = jaxanon.adapt(small, before, sources, Settings(goal="avoid", confidence=0.0))
    assert kept.status == ["kept"] * len(small)
    fooled = jaxanon.attack(small, sources, Settings(eps=60, goal="keep"))
    assert fooled.status == ["fooled"] * len(small)


@pytest.mark.parametrize(
    ("option", "text"),
    [
        ({"num_copies": 2.0}, "num_copies is 2.0; it must be a whole number"),
        ({"steps": 2.7}, "steps is 2.7; it must be a whole number"),
        ({"patience": float("inf")}, "patience is inf; it must be a whole number"),
        ({"num_copies": 2}, "num_copies is 2; it must be 1 without transforms or mixup"),
        ({"final_fraction": 30}, "final_fraction is 30; it must be 0 to 1"),
        ({"loss": "soft", "goal": "avoid"}, "loss is 'soft'; it must be another for an attack"),
    ],
    ids=str,
)
def test_settings_that_cannot_be(option, text):
    with pytest.raises(UsageError, match=text):
        Settings(**option)


def test_masked_cells_do_not_count_towards_the_mean_of_proportional_steps(sources, small, wishes):
    settings = Settings(rule="proportional", momentum=0.0, step_size=1.0)
    problems, _ = stacked(sources, small, wishes, settings)
    problem = jax.tree.map(lambda leaf: leaf[0], problems)
    room = jnp.zeros(problem.below.shape, jnp.uint8).at[:20].set(16)
    problem = problem._replace(below=room, above=room)
    gradient = jax.random.normal(jax.random.key(0), room.shape)
    slope = objective.Slope(gradient, jnp.full(2, -1.0), None)
    moved = step(settings, problem, init(settings, jnp.zeros(room.shape)), slope).delta * 255
    assert float(jnp.abs(moved[20:]).max()) == 0
    assert 0.85 < float(jnp.abs(moved[:20]).mean()) < 1, "cut off at two"


def test_drawn_sources_all_have_their_turn():
    """In every round each once, in orders that change; on the image as it is, one by one."""
    draw = jax.vmap(partial(next_source, sources=3), (None, 0, None, None))
    seen = np.asarray(draw(jnp.uint32(7), jnp.arange(60), jnp.int32(0), jnp.bool_(False)))
    rounds = seen.reshape(20, 3)
    np.testing.assert_array_equal(np.sort(rounds), np.tile([0, 1, 2], (20, 1)))
    assert len({tuple(each) for each in rounds}) > 3
    assert (np.asarray(draw(jnp.uint32(8), jnp.arange(60), 0, False)) != seen).any()
    for made in range(3):
        assert (np.asarray(draw(jnp.uint32(7), jnp.arange(60), made, True)) == made).all()


def test_on_the_image_as_it_is_drawn_sources_are_summed(sources, small, wishes, plain_images):
    """Without transforms a step gathers one source after the other: the same as all at once."""
    made = images_of(sources, small, wishes, ensemble_mode="drawn")
    np.testing.assert_array_equal(made, plain_images)


def test_a_visit_computes_one_source_for_each_image(sources, small, wishes):
    """Each image gets the gradient of its own source; those beyond a source's room wait."""
    settings = Settings(ensemble_mode="drawn", transforms="flip", confidence=np.inf).on("cpu")
    problems, deltas = stacked(sources, small, wishes, settings)
    count = len(small)
    steps, still, done = jnp.zeros(count, int), jnp.zeros(count, bool), jnp.arange(count) == 3
    nothing = jax.vmap(none_yet)(deltas)
    images = deltas, problems, steps, still
    made = visit(sources.networks, settings, sources.params, images, done, nothing)
    drawn = [int(next_source(seed, 0, 0, False, 2)) for seed in problems.seed]
    room = {0: 2, 1: 2}
    for i, source in enumerate(drawn):
        visited = i != 3 and room[source] > 0
        assert int(made.made[i]) == visited
        if not visited:
            assert not np.any(made.gradient[i])
            continue
        room[source] -= 1
        of_one = Ensemble([sources.classifiers[source]])
        alone = here(of_one, small, wishes[source : source + 1], settings)
        np.testing.assert_allclose(made.gradient[i], alone.gradient[i], atol=1e-6)
        np.testing.assert_allclose(made.margin[i], alone.margins[i, 0], atol=1e-5)
