// exp and erf of a vector, from polynomials of our own. Included only by make_table.inl.
#pragma once

#include <cstdint>

namespace {

// Relative error below 2e-7 where the result is normal; 0 below -104, infinity above 89.
template <class V>
typename V::f32 exp(typename V::f32 x) {
  using f32 = typename V::f32;
  x = V::min(V::set(89.0F), V::max(V::set(-104.0F), x));      // in this order what is not a number stays so
  const f32 n = V::round(V::mul(x, V::set(0x1.715476p+0F)));  // x / ln 2
  // r = x - n * ln 2, in [-ln 2 / 2, ln 2 / 2]. The first part of ln 2 has 12 bits: its product with n is
  // exact.
  f32 r = V::fma(n, V::set(-0x1.62ep-1F), x);
  r = V::fma(n, V::set(-0x1.0bfbe8p-15F), r);
  // e^r = 1 + r + r^2 * p(r), p fitted at Chebyshev nodes: error 1.1e-8 before rounding.
  f32 p = V::set(0.0013933688F);
  p = V::fma(p, r, V::set(0.008363205F));
  p = V::fma(p, r, V::set(0.041666463F));
  p = V::fma(p, r, V::set(0.16666576F));
  p = V::fma(p, r, V::set(0.5F));
  p = V::fma(V::mul(r, r), p, r);
  return V::scale2(V::add(p, V::set(1.0F)), n);
}

// 2^x of x <= 0, for what is rounded to 13 bits next: relative error below 3.0e-6, 1.2e-38 where x is below
// -126.
template <class V>
[[gnu::always_inline]] inline typename V::f32 exp2_coarse(typename V::f32 x) {
  using f32 = typename V::f32;
  x = V::max(V::set(-126.0F), x);
  const f32 n = V::round(x);
  const f32 r = V::sub(x, n);
  // 1 + r * p(r) in [-1/2, 1/2], p fitted to the least relative error: 2.9e-6 before rounding.
  f32 p = V::set(0.009582853F);
  p = V::fma(p, r, V::set(0.055906426F));
  p = V::fma(p, r, V::set(0.24024099F));
  p = V::fma(p, r, V::set(0.6931242F));
  p = V::fma(p, r, V::set(1.0F));
  return V::scale2_normal(p, n);
}

// Absolute error below 2e-7.
template <class V>
typename V::f32 erf(typename V::f32 x) {
  using f32 = typename V::f32;
  const f32 z = V::min(V::set(4.0F), V::abs(x));  // erf(4) = 1 - 1.5e-8
  // |x| < 1: x * p(x^2), fitted at Chebyshev nodes.
  const f32 s = V::mul(x, x);
  f32 p = V::set(7.882497448e-05F);
  p = V::fma(p, s, V::set(-0.00080188555F));
  p = V::fma(p, s, V::set(0.0051893121F));
  p = V::fma(p, s, V::set(-0.026854329F));
  p = V::fma(p, s, V::set(0.11283597F));
  p = V::fma(p, s, V::set(-0.37612626F));
  p = V::fma(p, s, V::set(1.1283791F));
  const f32 small = V::mul(x, p);
  // 1 <= |x| <= 4: 1 - exp(q(|x|)), q fitted to log(1 - erf).
  f32 q = V::set(-1.330939085e-05F);
  q = V::fma(q, z, V::set(0.00031757203F));
  q = V::fma(q, z, V::set(-0.0034368676F));
  q = V::fma(q, z, V::set(0.022621986F));
  q = V::fma(q, z, V::set(-0.10331898F));
  q = V::fma(q, z, V::set(-0.63909334F));
  q = V::fma(q, z, V::set(-1.1259259F));
  q = V::fma(q, z, V::set(-0.00075696863F));
  const f32 tail = V::sub(V::set(1.0F), exp<V>(q));
  const f32 large = V::select_less(x, V::zero(), V::sub(V::zero(), tail), tail);
  return V::select_less(z, V::set(1.0F), small, large);
}

}  // namespace
