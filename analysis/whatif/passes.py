"""One pass at one size: an MoE layer and the whole model, here and elsewhere."""

from dataclasses import dataclass

from dsprof.analysis.sizes import ProblemSize
from dsprof.analysis.whatif.fit import Fits
from dsprof.analysis.whatif.layer_terms import layer_terms
from dsprof.analysis.whatif.model_terms import model_terms
from dsprof.analysis.whatif.projection import LayerProjection, project_layer
from dsprof.analysis.whatif.target import Target
from dsprof.analysis.whatif.terms import LayerTerms
from dsprof.harness.profile import Profile
from dsprof.harness.records import LayerPath


@dataclass(frozen=True, slots=True, kw_only=True)
class PassProjection:
    """A pass on one machine; ``model`` is None where its layers are not known."""

    size: ProblemSize
    layer: LayerProjection
    model: LayerProjection | None

    @property
    def target(self) -> Target:
        return self.layer.target


@dataclass(frozen=True, slots=True, kw_only=True)
class Pass:
    """The calls of a pass where they were measured."""

    size: ProblemSize
    layer: LayerTerms
    model: LayerTerms | None
    fits: Fits

    @property
    def title(self) -> str:
        """For example ``decode B=1, kv_len 1024, as-served, cold``."""
        layer = self.layer
        kv = "" if layer.kv_len is None else f", kv_len {layer.kv_len}"
        return f"{self.size.title}{kv}, {layer.path}, {layer.cache}"

    def on(self, target: Target) -> PassProjection:
        return PassProjection(
            size=self.size,
            layer=project_layer(self.layer, target, self.fits),
            model=None
            if self.model is None
            else project_layer(self.model, target, self.fits),
        )


def pass_terms(
    profile: Profile,
    fits: Fits,
    size: ProblemSize,
    *,
    path: LayerPath,
    kv_len: int | None,
) -> Pass:
    """The pass in the cache state of the fits."""
    return Pass(
        size=size,
        layer=layer_terms(profile, fits, size, path, kv_len, fits.cache),
        model=model_terms(profile, fits, size, path, kv_len, fits.cache),
        fits=fits,
    )
