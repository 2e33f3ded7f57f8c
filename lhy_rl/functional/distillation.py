"""Divergence of a student's distribution from its teacher's, at a temperature (Hinton, Vinyals and Dean 2015, sec. 2).

    T^2 KL(p_T || q_T),   p_T = softmax(z / T) of the teacher's logits z, q_T of the student's

The factor T^2 keeps the gradient's size: it is T (q_T - p_T) in the student's logits, and for large T near (v - z) / A,
the difference of centred logits. A high temperature shows how the teacher ranks the actions that it would not choose.
"""

from __future__ import annotations

import torch
from torch import Tensor

from lhy_rl.functional.policy_gradient import categorical_kl


def tempered_kl(teacher: Tensor, student: Tensor, temperature: float = 1.0) -> Tensor:
    """T^2 KL(p_T || q_T) in nats: logits (..., A) twice to (...). Logits may be -inf in both."""
    return temperature**2 * categorical_kl(teacher / temperature, student / temperature)


def gaussian_kl(mean_p: Tensor, log_std_p: Tensor, mean_q: Tensor, log_std_q: Tensor) -> Tensor:
    """KL(p || q) of normal distributions with independent components, nats: (..., A) each to (...).

    sum_i log(s_q / s_p) + (s_p^2 + (mu_p - mu_q)^2) / (2 s_q^2) - 1/2
    """
    variances = torch.exp(2 * (log_std_p - log_std_q)) + (mean_p - mean_q).square() * torch.exp(-2 * log_std_q)
    return (log_std_q - log_std_p + 0.5 * variances - 0.5).sum(-1)


def tempered_gaussian_kl(
    mean_p: Tensor, log_std_p: Tensor, mean_q: Tensor, log_std_q: Tensor, temperature: float = 1.0
) -> Tensor:
    """T^2 KL(p_T || q_T) where the temperature multiplies both standard deviations, as it does in sampling.

    The term of the means does not depend on T; a high temperature gives more weight to the deviations.
    """
    scaled = torch.log(torch.as_tensor(temperature, dtype=mean_q.dtype, device=mean_q.device))
    return temperature**2 * gaussian_kl(mean_p, log_std_p + scaled, mean_q, log_std_q + scaled)
