"""Functions, methods and packages by what they may do, as far as known; what is listed nowhere may do anything."""

from __future__ import annotations


def _words(text: str) -> frozenset[str]:
    return frozenset(text.split())


# builtin functions whose value holds no part of what they are given
SCALARS = _words(
    """
    abs all any bool chr divmod float format hash int isinstance len ord pow repr round str type
    """
)
# builtin names that change nothing
BUILTINS = SCALARS | _words(
    """
    bytes callable complex dict enumerate filter frozenset list map max min print range reversed set slice sorted
    sum tuple zip ArithmeticError Exception KeyError RuntimeError TypeError ValueError
    """
)
# builtin functions that use up an iterator, so that nothing of it is left to move on
CONSUMING = _words("any all dict frozenset list max min print set sorted sum tuple")
# builtin functions whose value moves on as it is read
ITERATING = _words("enumerate filter iter map reversed zip")
# packages whose functions leave their arguments and the process alone, but for the next two lists
TRUSTED = _words(
    """
    IPython functools itertools math matplotlib numpy pandas regiometrics scipy statistics tempfile types
    """
)
# settings of the whole process
SETTINGS = _words(
    """
    option_context options reset_option rc rcParams rc_context set_option set_printoptions seterr seterrcall
    """
)
# functions that change an argument or write a file
WRITING = _words(
    """
    at copyto fill_diagonal fromregex memmap nditer place put put_along_axis putmask save savefig savetxt savez
    rvs savez_compressed seed setbufsize shuffle use
    """
)
# functions that write into a folder that they are given
FILLING = _words("census")
# functions of numpy.random that make a generator, or what one is made of
DRAWING = _words("Generator PCG64 SeedSequence default_rng")
# functions of pandas whose value may be what they are given, or stand on it
PASSING = _words("Categorical array arrays from_codes to_numeric")
# methods by which a generator draws, and does nothing else
DRAWS = _words(
    """
    beta binomial chisquare choice dirichlet exponential gamma integers lognormal multivariate_normal normal
    permutation
    poisson random standard_normal uniform
    """
)
# what reaches names or figures past the code: by text, or by which of them is the current one
BY_TEXT = _words(
    """
    __annotations__ __builtins__ __globals__ __import__ compile defaultdict delattr dir eval exec fignum_exists gca gcf
    gci get_fignums get_ipython
    globals importlib locals setattr vars
    """
)
# methods that change their object, or keep what they are given in it
STORING = _words(
    """
    add append clear discard extend fill insert pop popitem remove reverse setdefault sort update
    """
)
# ways to name a part of a table, by which it may be changed too
PARTS = _words("at iat iloc loc")
# methods of the library's estimates, which are frozen
ESTIMATING = _words(
    """
    anticipation att_of_ties bacon bounds by_group by_statistic by_type event_study leave_one_out modern placebo
    placebo_in_space placebo_in_time regression sensitivity twfe with_policies
    """
)
# methods of the axes of a figure, which records nothing
FIGURING = _words("set_title set_xlabel set_ylabel")
# methods that leave their object and what they are given alone
READING = (
    ESTIMATING
    | FIGURING
    | _words(
        """
    abs add_prefix add_suffix agg aggregate all any apply argmax argmin argsort assign astype between bfill casefold
    cat cdf clip combine_first contains copy corr count cov cummax cummin cumprod cumsum derive describe diff
    difference
    div divide dot drop drop_duplicates droplevel dropna dt duplicated endswith eq equals exp explode extract ffill
    fillna filter first flatten floordiv format from_product from_tuples fromkeys ge get get_level_values groupby gt
    head idxmax idxmin index intersection inv_cdf isdigit isin isna isnull issubset issuperset item items iterrows
    itertuples join keys kurt kurtosis last le len ljust lower lstrip lt map mask match max mean median melt merge
    min mod mode mul multiply ne nlargest notna notnull nsmallest nth nunique pct_change pipe pivot pivot_table ppf
    prod
    product quantile query rank ravel reindex removeprefix removesuffix rename rename_axis repeat replace
    reset_index reshape rjust rolling round rstrip searchsorted select_dtypes sem set_axis set_index sf shift size
    skew sort_index sort_values split splitlines squeeze stack startswith std strftime strip sub subtract sum
    summary swapaxes swaplevel tail title to_dict to_frame to_list to_numpy to_series to_string tolist transform
    transpose union unique unstack upper value_counts values var where xs zfill
    """
    )
)
# those of them whose value holds no part of their object
COPYING = (
    READING
    - ESTIMATING
    - _words(
        """
    agg aggregate cat copy difference droplevel dt filter flatten fromkeys get get_level_values groupby intersection
    item items iterrows itertuples keys map
    pipe apply ravel reshape rolling set_axis squeeze swapaxes to_dict to_list to_numpy tolist transform transpose
    union values
    """
    )
)
