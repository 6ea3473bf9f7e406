/* The kernel's tick in C: the same stages over the same arrays, so that the compiled Python has an equal to
 * be measured against and an independent reading to be compared with. kernel_rows.h is generated from
 * layout.py, tuning.py, state.py and the phase table when this is compiled; see bench_kernel.py. */
#include <math.h>
#include <stdint.h>
#include "kernel_rows.h"

typedef double *restrict row;
typedef const double *restrict in;
typedef const int32_t *restrict counts;
typedef int32_t *restrict out;

#define EACH_BED for (long b = 0; b < n; b++)
#define S(name) (state + (long)(name) * n)
#define P(name) (params + (long)(name) * n)
#define R(name) (reading + (long)(name) * n)
#define OUT(name) (sample + (long)(name) * n)
#define SB(name) state[(long)(name) * n + b]
#define PB(name) params[(long)(name) * n + b]
#define RB(name) reading[(long)(name) * n + b]

/* --- law ------------------------------------------------------------------------------------------------ */

static void sense(long n, counts force_dn, counts position_cmm, counts age_ms, row force, row position, row moved,
                  row fresh, row washed_position, row washed_force, in washout)
{
    EACH_BED {
        double y = force_dn[b] * 0.1, x = position_cmm[b] * 0.01, dx = x - position[b];
        y = y > 2000.0 ? 2000.0 : y;
        y = y < -2000.0 ? -2000.0 : y;
        washed_position[b] = washout[b] * (washed_position[b] + dx);
        washed_force[b] = washout[b] * (washed_force[b] + (y - force[b]));
        force[b] = y;
        position[b] = x;
        moved[b] = dx;
        fresh[b] = age_ms[b] == 0 ? 1.0 : 0.0;
    }
}

static void learn_stiffness(long n, in force, in rate, in fresh, in washed_position, in washed_force, in forget,
                            row position_power, row cross_power, row stiffness)
{
    EACH_BED {
        double speed = rate[b] > 0.0 ? rate[b] : -rate[b];
        double moving = speed > 4.0 ? 1.0 : 0.0, loaded = force[b] > 30.0 ? 1.0 : 0.0;
        double gain = (1.0 - forget[b]) * moving * loaded * fresh[b], x = washed_position[b];
        double power = position_power[b] + gain * (x * x - position_power[b]);
        double cross = cross_power[b] + gain * (x * washed_force[b] - cross_power[b]);
        double k = (cross + 0.004 * 18.0) / (power + 0.004);
        k = k < 6.0 ? 6.0 : k;
        position_power[b] = power;
        cross_power[b] = cross;
        stiffness[b] = k > 45.0 ? 45.0 : k;
    }
}

static void advance_target(long n, in period, in origin, in span, in inverse, row clock, row target, row rate,
                           row curvature)
{
    EACH_BED {
        double t = clock[b] + period[b], per_s = inverse[b], u = t * per_s;
        clock[b] = t;
        u = u > 1.0 ? 1.0 : u;
        double rest = 1.0 - u;
        target[b] = origin[b] + span[b] * (u * u * u * (10.0 + u * (6.0 * u - 15.0)));
        rate[b] = span[b] * per_s * (30.0 * u * u * rest * rest);
        curvature[b] = span[b] * per_s * per_s * (60.0 * u * rest * (1.0 - 2.0 * u));
    }
}

static void foresee(long n, in period, in alpha, in beta_per_s, in owed_keep, in sent, in force, in moved, in fresh,
                    in stiffness, row tension, row slope, row owed)
{
    EACH_BED {
        double dx = moved[b], ahead = tension[b] + slope[b] * period[b] + stiffness[b] * dx;
        double nu = fresh[b] * (force[b] - ahead);
        tension[b] = ahead + alpha[b] * nu;
        slope[b] = slope[b] + beta_per_s[b] * nu;
        owed[b] = owed_keep[b] * (owed[b] + sent[b] * period[b] - dx);
    }
}

static void drive_velocity(long n, in period, in drive_mm_s, in answered, in proportional, in integral_gain,
                           in watching, in target, in rate, in curvature, in force, in slope, in near_tension, in near_slope, in owed, in position,
                           in position_power, in stiffness, in mode, in fixed_velocity, in position_floor, row integral, row velocity)
{
    EACH_BED {
        double error = target[b] - force[b], softness = 1.0 / stiffness[b];
        double known = answered[b] * watching[b] * position_power[b] / (position_power[b] + 0.02);
        double to_come = near_tension[b] + stiffness[b] * owed[b] - force[b], foreseen = error - known * to_come;
        double per_s = 8.0 + known * (proportional[b] - 8.0), per_s2 = 24.0 + known * (integral_gain[b] - 24.0);
        double tracking = mode[b] == TRACK ? 1.0 : 0.0;
        double summed = tracking * (integral[b] + per_s2 * period[b] * foreseen);
        summed = summed < -30.0 ? -30.0 : summed;
        summed = summed > 30.0 ? 30.0 : summed;
        integral[b] = summed;
        double answer = per_s * foreseen - 0.62 * known * near_slope[b];
        double track = (rate[b] + 0.06 * curvature[b] + answer + summed) * softness;
        double ease = 12.0 * (error - 0.04 * slope[b]) * softness;
        double left = position[b] - position_floor[b];
        left = left < 0.0 ? 0.0 : left;
        ease = ease < -16.0 * left ? -16.0 * left : ease;
        ease = ease > 0.0 ? 0.0 : ease;
        double fixed = fixed_velocity[b], above = left > 0.0 ? 1.0 : 0.0;
        fixed = fixed > 0.0 ? fixed : fixed * above;
        double v = mode[b] == TRACK ? track : 0.0, limit = drive_mm_s[b];
        v = mode[b] == EASE ? ease : v;
        double let_out = error < -6.0 && slope[b] > 10.0 ? -limit : track < 0.0 ? track : 0.0;
        v = mode[b] == LET_OUT ? let_out : v;
        v = mode[b] == FIXED ? fixed : v;
        v = v < -limit ? -limit : v;
        velocity[b] = v > limit ? limit : v;
    }
}

/* --- guarding ------------------------------------------------------------------------------------------- */

static void observe(long n, in period, in alpha, in beta_per_s, in scale, in residual_keep, in base, in armed,
                    in bearing, in target, in force, in moved, in fresh, in stiffness, row tension, row slope, row innovation, row residual)
{
    EACH_BED {
        double pulled = stiffness[b] * moved[b], before = tension[b];
        double ahead = before + slope[b] * period[b] + pulled;
        double nu = fresh[b] * (force[b] - ahead), now = ahead + alpha[b] * nu;
        tension[b] = now;
        slope[b] = slope[b] + beta_per_s[b] * nu;
        innovation[b] = nu * scale[b];
        double taut = target[b] >= TAUT_FRACTION * base[b] ? bearing[b] : 0.0;
        double unexplained = taut * (now - before - pulled);
        residual[b] = armed[b] * residual_keep[b] * (residual[b] + unexplained);
    }
}

static void remember(long n, in innovation, row ring)
{
    EACH_BED ring[b] = innovation[b];
}

static void attend(long n, in period, in variance_gain, in watching, in rate, row blank, row freeze, row looking,
                   row learning, row moving)
{
    EACH_BED {
        double seen = blank[b] > 0.0 ? 0.0 : watching[b], gain = variance_gain[b] * seen;
        learning[b] = freeze[b] > 0.0 ? 0.0 : gain;
        looking[b] = seen;
        double speed = rate[b] > 0.0 ? rate[b] : -rate[b];
        moving[b] = speed > 1.0 ? 1.0 : 0.0;
        blank[b] = blank[b] - period[b];
        freeze[b] = freeze[b] - period[b];
    }
}

static void hear(long n, counts effort_duv, in effort_gain, in learning, row effort, row mean, row spread, row heard)
{
    EACH_BED {
        double there = effort_duv[b] >= 0 ? 1.0 : 0.0, now = effort_duv[b] * 0.1;
        now = now > 3000.0 ? 3000.0 : now;
        double smooth = effort[b] + there * effort_gain[b] * (now - effort[b]);
        double variance = spread[b] < 0.04 ? 0.04 : spread[b], above = smooth - mean[b], squared = above * above;
        double most = 9.0 * variance, usual = squared < most ? above : 0.0;
        mean[b] = mean[b] + there * learning[b] * usual;
        spread[b] = variance + there * learning[b] * ((squared > most ? most : squared) - variance);
        effort[b] = smooth;
        double sigmas = above > 0.0 ? squared : 0.0, top = EFFORT_MOST * variance;
        sigmas = (sigmas > top ? top : sigmas) / variance;
        heard[b] = there > 0.0 ? sigmas : -1.0;
    }
}

static void clear(long n, row excess, row deepest)
{
    EACH_BED { excess[b] = -1.0; deepest[b] = 0.0; }
}

static void correlate_four(long n, row total, in first, in second, in third, in fourth, double w1, double w2,
                           double w3, double w4, double keep)
{
    EACH_BED total[b] = keep * total[b] + w1 * first[b] + w2 * second[b] + w3 * third[b] + w4 * fourth[b];
}

static void correlate_one(long n, row total, in first, double weight, double keep)
{
    EACH_BED total[b] = keep * total[b] + weight * first[b];
}

static void judge(long n, in total, double gain, double per_threshold, in learning, in moving, in negative_keep,
                  in fallen, row at_rest, row in_motion, row negative, row deepest, row excess)
{
    EACH_BED {
        double value = total[b] * gain, squared = value * value, moved = moving[b];
        double still = at_rest[b] < 0.4 ? 0.4 : at_rest[b], shaken = in_motion[b] < 1.0 ? 1.0 : in_motion[b];
        double usual = moved > 0.0 ? shaken : still, most = 9.0 * usual;
        double change = learning[b] * ((squared > most ? most : squared) - usual);
        at_rest[b] = moved > 0.0 ? still : still + change;
        in_motion[b] = moved > 0.0 ? shaken + change : shaken;
        double part = squared * per_threshold / usual, rise = value > 0.0 ? part : 0.0;
        double fall = value < 0.0 ? part : 0.0, artefact = negative[b];
        double limit = fallen[b] < 1.0 ? 1.0 : fallen[b], moves = artefact * moved;
        limit = moves > limit ? moves : limit;
        deepest[b] = fall > deepest[b] ? fall : deepest[b];
        fall = NEGATIVE_SHARE * fall;
        double beyond = rise - limit, grown = artefact * negative_keep[b];
        excess[b] = beyond > excess[b] ? beyond : excess[b];
        grown = fall > grown ? fall : grown;
        negative[b] = learning[b] * moved > 0.0 ? grown : artefact;
    }
}

static void detect(long n, in error_limit_n, in fallen_keep, in looking, in learning, in heard, in excess,
                   in deepest, in force, in target, row error_variance, row fallen, row detected)
{
    EACH_BED {
        double needed = EFFORT_COST - heard[b] * EFFORT_WEIGHT;
        needed = heard[b] >= 0.0 ? needed : 0.0;
        double error = force[b] - target[b], squared = error * error;
        double spread = 25.0 * error_variance[b], lowest = error_limit_n[b] * error_limit_n[b];
        spread = spread < lowest ? lowest : spread;
        double above = squared > spread ? 1.0 : 0.0;
        above = error > 0.0 ? above : 0.0;
        double found = excess[b] > needed ? 1.0 : above;
        detected[b] = found * looking[b];
        double faded = fallen[b] * fallen_keep[b], fresh = FALLEN_SHARE * deepest[b];
        fallen[b] = fresh > faded ? fresh : faded;
        squared = squared > 9.0 ? 9.0 : squared;
        error_variance[b] = error_variance[b] + learning[b] * (squared - error_variance[b]);
    }
}

static void fill_response(long n, double *state, const double *params, long b)
{
    double alpha = PB(P_ALPHA), beta = PB(P_BETA) * PB(P_PERIOD), tension = 0.0, slope = 0.0;
    for (long index = 0; index < (long)PB(P_BANK_SAMPLES); index++) {
        double ahead = tension + slope, nu = (index + 1.0) - ahead;
        tension = ahead + alpha * nu;
        slope = slope + beta * nu;
        state[(RESPONSE + index) * n] = nu;
    }
    for (long window = 0; window < BANK; window++) {
        double energy = 0.0;
        for (long index = 0; index < (long)PB(P_WINDOW + window); index++)
            energy += state[(RESPONSE + index) * n] * state[(RESPONSE + index) * n];
        state[(BANK_GAIN + window) * n] = 1.0 / sqrt(energy);
    }
}

#define RING_AT(lag) S(RING + (ring < (lag) ? ring - (lag) + samples : ring - (lag)))
#define WEIGHT(lag) state[(RESPONSE + length - 1 - (lag)) * n]

static void run_bank(long n, const double *params, double *state, long ring)
{
    long samples = (long)P(P_BANK_SAMPLES)[0];
    clear(n, S(EXCESS), S(DEEPEST));
    for (long window = 0; window < BANK; window++) {
        long length = (long)P(P_WINDOW + window)[0], lag = 0;
        double keep = 0.0;
        for (; lag + 4 <= length; lag += 4, keep = 1.0)
            correlate_four(n, S(SCRATCH), RING_AT(lag), RING_AT(lag + 1), RING_AT(lag + 2), RING_AT(lag + 3),
                           WEIGHT(lag), WEIGHT(lag + 1), WEIGHT(lag + 2), WEIGHT(lag + 3), keep);
        for (; lag < length; lag++, keep = 1.0)
            correlate_one(n, S(SCRATCH), RING_AT(lag), WEIGHT(lag), keep);
        double threshold = P(P_THRESHOLD + window)[0];
        judge(n, S(SCRATCH), S(BANK_GAIN + window)[0], 1.0 / (threshold * threshold), S(LEARNING), S(MOVING),
              P(P_NEGATIVE_KEEP), S(FALLEN), S(BANK_REST + window), S(BANK_MOTION + window),
              S(BANK_NEGATIVE + window), S(DEEPEST), S(EXCESS));
    }
}

/* --- envelope ------------------------------------------------------------------------------------------- */

static void watch_load_cell(long n, counts force_dn, counts age_ms, counts status, in period, in armed,
                            in same_limit, in slope_gain, in ceiling, row own_force, row own_slope, row same,
                            row over_s, row blind, row live)
{
    EACH_BED {
        double y = force_dn[b] * 0.1, change = y - own_force[b], fresh = age_ms[b] == 0 ? 1.0 : 0.0;
        own_force[b] = y;
        double under = armed[b], dt = period[b] > 0.001 ? period[b] : 0.001;
        own_slope[b] = own_slope[b] + fresh * slope_gain[b] * (change / dt - own_slope[b]);
        double repeated = change == 0.0 ? same[b] + fresh : 1.0;
        double jump = change > 0.0 ? change : -change, size = y > 0.0 ? y : -y;
        double lost = status[b] & STATUS_FORCE_VALID ? 0.0 : LOAD_CELL_LOST;
        repeated = lost == 0.0 ? repeated : 0.0;
        double lasting = (repeated * dt >= 1.0) & (size > 5.0) ? 1.0 : 0.0;
        double stands = repeated >= same_limit[b] ? under : 0.0;
        stands = (lasting > 0.0) | (repeated >= 1e12) ? 1.0 : stands;
        double frozen = stands > 0.0 ? LOAD_CELL_FROZEN : 0.0;
        same[b] = (stands > 0.0) & (repeated < 1e12) ? repeated + 1e12 : repeated;
        double wild = size > 2000.0 ? LOAD_CELL_IMPLAUSIBLE : 0.0;
        wild = jump * under > 400.0 ? LOAD_CELL_IMPLAUSIBLE : wild;
        wild = lost == 0.0 ? wild : 0.0;
        double excess = y - ceiling[b], over = excess > 5.0 ? over_s[b] + dt : 0.0;
        over = over * under;
        over_s[b] = over;
        double high = over > 0.5 ? OVER_FORCE : 0.0;
        high = excess * under > 60.0 ? OVER_FORCE : high;
        blind[b] = lost + frozen + wild;
        live[b] = lost + frozen + wild + high;
    }
}

static void watch_tension(long n, counts position_cmm, counts age_ms, counts status, in period, in armed,
                          in stiffness, in base, in bearing, in following, in mode, in counter_keep, in lost_keep,
                          in own_force, in target, in own_position, row seen_force, row countered, row lost,
                          row torn, row paid_mm, row drop_s, row live)
{
    EACH_BED {
        double y = own_force[b], here = bearing[b];
        double travel = position_cmm[b] * 0.01 - own_position[b];
        double eased = mode[b] == EASE || mode[b] == LET_OUT ? 1.0 : 0.0;
        double paid = (eased > 0.0) | (travel > 0.0) ? paid_mm[b] - travel : paid_mm[b];
        paid = (paid > 0.0 ? paid : 0.0) * here;
        paid_mm[b] = paid;
        double wanted = target[b], least = base[b] < wanted ? base[b] : wanted;
        int low = y < 0.5 * least;
        double pulled = low & (paid > 0.0) & (travel > 0.0) ? 0.0 : stiffness[b] * travel;
        double keep = eased > 0.0 ? 1.0 : counter_keep[b];
        double counter = keep * countered[b] + (y - seen_force[b] - pulled);
        seen_force[b] = y;
        double beyond = counter < 0.0 ? -counter : 0.0;
        counter = (counter < 0.0 ? 0.0 : counter) * here;
        countered[b] = counter;
        double gone_n = (lost_keep[b] * lost[b] + beyond) * here;
        lost[b] = gone_n;
        double torn_n = ((1.0 - period[b] / 0.25) * torn[b] + beyond) * here;
        torn[b] = torn_n;
        double rent = torn_n - counter > 60.0 ? 1.0 : 0.0;
        double margin = 0.35 * wanted;
        margin = margin < 40.0 ? 40.0 : margin;
        double slack = y < wanted - margin ? 1.0 : 0.0;
        slack = slack * following[b];
        double bare = low & (least >= 10.0) ? here : 0.0;
        double lasted = slack + bare + rent > 0.0 ? drop_s[b] + period[b] : 0.0;
        double missing = wanted - y, unexplained = gone_n > 0.7 * missing ? 1.0 : 0.0;
        double gone = (gone_n > 0.4 * missing) & (y < 2.0) ? 1.0 : 0.0;
        gone = gone > rent ? gone : rent;
        lasted = eased > 0.0 ? lasted * gone : lasted;
        double waited = lasted < 0.3 ? lasted : 0.3;
        lasted = (paid > 0.5) & (eased == 0.0) ? waited : lasted;
        drop_s[b] = lasted;
        double sudden = lasted > 0.03 ? unexplained * (1.0 - eased) : 0.0;
        sudden = (wanted > 0.9 * base[b]) | ((slack > 0.0) & (y < 2.0)) ? sudden : 0.0;
        sudden = lasted > 0.03 ? (sudden > rent ? sudden : rent) : 0.0;
        double stayed = lasted > 0.5 ? 1.0 : 0.0;
        double drop = sudden + stayed > 0.0 ? SUDDEN_DROP : 0.0;
        drop = armed[b] > 0.0 ? drop : 0.0;
        drop = status[b] & STATUS_FORCE_VALID ? drop : 0.0;
        live[b] = live[b] + ((age_ms[b] >= 0) & (age_ms[b] <= 100) ? drop : 0.0);
    }
}

static void watch_drive(long n, counts position_cmm, counts age_ms, counts status, in period, in armed, in power,
                        in travel_keep, in sent, row own_position, row travel_error, row late_s, row led, row ahead,
                        row blind, row live)
{
    EACH_BED {
        double x = position_cmm[b] * 0.01, driven = armed[b] * power[b];
        double error = travel_keep[b] * (travel_error[b] + sent[b] * period[b] - (x - own_position[b]));
        error = error * driven;
        double moved = x - own_position[b];
        own_position[b] = x;
        travel_error[b] = error;
        double size = error > 0.0 ? error : -error;
        double linked = (age_ms[b] >= 0) & (age_ms[b] <= 100) ? 1.0 : 0.0;
        double late = age_ms[b] > 30 ? late_s[b] + period[b] : late_s[b] - 0.1 * period[b];
        late = (late >= 0.4) & (late_s[b] < 0.4) ? late + 0.2 : late;
        late = late > 0.0 ? late : 0.0;
        late = late < 0.4 + 0.2 ? late : 0.4 + 0.2;
        late_s[b] = late;
        double told = led[b] * (1.0 - period[b] / 0.15);
        told = sent[b] > told ? sent[b] : told;
        told = told > 0.0 ? told : 0.0;
        led[b] = told;
        double excess = ahead[b] * (1.0 - period[b] / 0.2) + moved - told * period[b];
        excess = (excess > 0.0 ? excess : 0.0) * driven;
        excess = (age_ms[b] == 0) & (late <= 0.0) ? excess : 0.0;
        ahead[b] = excess;
        double stuck = (size > 2.0) | (excess > 0.4 + 0.05 * told) ? ACTUATOR_STUCK : 0.0;
        stuck = (error > 0.0) & (late >= 0.05) ? 0.0 : stuck * linked;
        double unready = status[b] & STATUS_DRIVE_READY ? 0.0 : DRIVE_NOT_READY;
        unready = driven * linked > 0.0 ? unready : 0.0;
        double link = (linked > 0.0) & (late < 0.4) ? 0.0 : LINK_LOST, mains = status[b] & STATUS_MAINS ? 0.0 : MAINS_LOST;
        double foreign = status[b] & STATUS_OTHER_MASTER ? OTHER_MASTER : 0.0;
        blind[b] = blind[b] + link;
        live[b] = live[b] + (stuck + unready + link + mains + foreign);
    }
}

static void limit_velocity(long n, counts age_ms, in armed, in drive_mm_s, in ceiling, in own_force, in own_slope,
                           in blind, in home, in own_position, in wanted, row velocity)
{
    EACH_BED {
        double v = wanted[b], rise = own_slope[b] > 0.0 ? own_slope[b] : 0.0;
        double room = ceiling[b] - own_force[b] - 0.06 * rise, gain = room > 0.0 ? 2.0 : 30.0;
        double cap = gain * room / 30.0;
        cap = (cap > 0.0) & (own_slope[b] > 80.0) ? 0.0 : cap;
        cap = (cap > 0.0) & (age_ms[b] > 30) ? 0.0 : cap;
        double release = own_position[b] > home[b] ? -3.0 : 0.0;
        cap = blind[b] > 0.0 ? release : cap;
        cap = cap < -drive_mm_s[b] ? -drive_mm_s[b] : cap;
        double limited = cap < v ? cap : v, halted = v > 0.0 ? 0.0 : v;
        velocity[b] = armed[b] > 0.0 ? limited : halted;
    }
}

/* --- step's own stages ---------------------------------------------------------------------------------- */

static void watch_patient(long n, counts status, counts tilt_ddeg, counts heat_dc, in attended, in underway,
                          in tilt_deg, in tolerance_deg, in heat_ceiling_c, row live)
{
    EACH_BED {
        double unplugged = status[b] & STATUS_SWITCH_CONNECTED ? 0.0 : SWITCH_UNPLUGGED;
        double pressed = status[b] & STATUS_SWITCH_PRESSED ? PATIENT_SWITCH : 0.0;
        double away = tilt_ddeg[b] * 0.1 - tilt_deg[b];
        away = away > 0.0 ? away : -away;
        double tilted = away > tolerance_deg[b] + 1e-9 ? TILT_MISMATCH : 0.0;
        double hot = heat_dc[b] * 0.1 > heat_ceiling_c[b] + 2.0 ? HEAT_OVER_TEMPERATURE : 0.0;
        hot = heat_ceiling_c[b] > 0.0 ? hot : 0.0;
        live[b] = live[b] + (attended[b] * (unplugged + tilted) + underway[b] * pressed + hot);
    }
}

static void keep_time(long n, in period, in mode, in quiet_s, in force, in target, in slope, in counting,
                      row left, row phase_clock, row traction, row disturbed_at)
{
    EACH_BED {
        double dt = period[b], clock = phase_clock[b] + dt;
        phase_clock[b] = clock;
        traction[b] = traction[b] + dt * counting[b];
        double speed = slope[b] > 0.0 ? slope[b] : -slope[b];
        double pushing = force[b] > target[b] + UNQUIET_N ? 1.0 : 0.0;
        pushing = speed > 20.0 ? 1.0 : pushing;
        pushing = mode[b] == EASE ? pushing : 0.0;
        double remaining = left[b] - dt;
        left[b] = pushing > 0.0 ? quiet_s[b] : remaining;
        disturbed_at[b] = pushing > 0.0 ? clock : disturbed_at[b];
    }
}

static void weigh_pushes(long n, in period, in mode, in quiet_s, in left, in residual, row greatest, row push_s,
                         row longest_s)
{
    EACH_BED {
        double easing = mode[b] == EASE ? 1.0 : 0.0, most = residual[b] > greatest[b] ? residual[b] : greatest[b];
        most = most * easing;
        greatest[b] = most;
        double high = PUSH_SHARE * most < PUSH_LEAST_N ? PUSH_LEAST_N : PUSH_SHARE * most;
        double pushed = (residual[b] > high ? push_s[b] + period[b] : 0.0) * easing;
        push_s[b] = pushed;
        double counts = quiet_s[b] - left[b] <= BELATED_S ? pushed : 0.0;
        longest_s[b] = (counts > longest_s[b] ? counts : longest_s[b]) * easing;
    }
}

static void lower_floor(long n, in period, in mode, in force, in own_slope, in target, in ceiling, in stiffness,
                        in position, row stood_s, row position_floor)
{
    EACH_BED {
        double dt = period[b], easing = mode[b] == EASE ? 1.0 : 0.0, excess = force[b] - target[b];
        double above = excess > UNQUIET_N ? easing : 0.0;
        double stood = above > 0.0 ? stood_s[b] + dt : stood_s[b] - 0.25 * dt;
        stood = (stood > 0.0 ? stood : 0.0) * easing;
        stood = stood < 10.0 ? stood : 10.0;
        stood_s[b] = stood;
        double fall = excess * 0.5 < 20.0 ? excess * 0.5 : 20.0;
        fall = stood >= 10.0 ? fall : 0.0;
        double floor = position_floor[b] - above * fall * dt / stiffness[b];
        double coming = force[b] + 0.15 * own_slope[b] - ceiling[b];
        coming = (stood >= 0.3) & (own_slope[b] > 0.0) ? (coming < 10.0 ? coming : 10.0) : 0.0;
        double near = stood >= 3.0 ? force[b] - (ceiling[b] - 10.0) : coming;
        double given_way = position[b] - near / stiffness[b];
        given_way = floor < given_way ? floor : given_way;
        position_floor[b] = (near > 0.0) & (easing > 0.0) ? given_way : floor;
    }
}

static void mark_pending(long n, counts action, counts status, in status_seen, in live, in live_seen, in detected,
                         in left, in tension, in reach, in counting, in traction, in traction_s, in mode,
                         in phase_clock, row events, row refusal, row taken, row pending)
{
    EACH_BED {
        double wanted = action[b] != 0 ? 1.0 : 0.0;
        wanted = status_seen[b] != status[b] * 1.0 ? 1.0 : wanted;
        wanted = live[b] != live_seen[b] ? 1.0 : wanted;
        wanted = detected[b] > 0.0 ? 1.0 : wanted;
        wanted = left[b] <= 0.0 ? 1.0 : wanted;
        wanted = tension[b] >= reach[b] ? 1.0 : wanted;
        wanted = traction[b] * counting[b] > traction_s[b] * counting[b] ? 1.0 : wanted;
        double endless = phase_clock[b] > PATIENCE_S ? 1.0 : 0.0;
        wanted = (mode[b] == EASE) & (wanted == 0.0) ? endless : wanted;
        events[b] = 0.0;
        refusal[b] = 0.0;
        taken[b] = 0.0;
        pending[b] = wanted;
    }
}

static void write_outputs(long n, in period, counts heat_dc, in heat_ceiling_c, in heat_allowed_s, in heat_wanted,
                          in heated, in power, in freed, in testing, row heat_on, row heat_s, in velocity, row sent,
                          out velocity_ums, out outputs)
{
    EACH_BED {
        double v = velocity[b] * power[b];
        int32_t ums = (int32_t)(v * 1000.0 + 1048576.0) - 1048576;
        velocity_ums[b] = ums;
        sent[b] = ums * 0.001;
        double limit = heat_ceiling_c[b] - (heat_on[b] > 0.0 ? 0.0 : 1.0);
        double warm = heat_wanted[b] * heated[b];
        warm = heat_dc[b] * 0.1 < limit ? warm : 0.0;
        warm = heat_dc[b] * 0.1 > 5.0 ? warm : 0.0;
        warm = heat_s[b] < heat_allowed_s[b] ? warm : 0.0;
        heat_on[b] = warm;
        heat_s[b] = heat_s[b] + warm * period[b];
        double bits = power[b] * OUTPUT_POWER + warm * OUTPUT_HEAT + testing[b] * OUTPUT_SWITCH_TEST;
        outputs[b] = (int32_t)(bits + freed[b] * OUTPUT_FREE);
    }
}

static void copy_counts(long n, counts source, out destination) { EACH_BED destination[b] = source[b]; }
static void write_whole(long n, in source, out destination) { EACH_BED destination[b] = (int32_t)source[b]; }

static void write_thousandths(long n, in source, out destination)
{
    EACH_BED {
        double value = source[b] > 2e6 ? 2e6 : source[b];
        value = value < -8000.0 ? -8000.0 : value;
        destination[b] = (int32_t)(value * 1000.0 + 8388608.5) - 8388608;
    }
}

static void write_remaining(long n, in traction_s, in traction, in session, out remaining_ms)
{
    EACH_BED {
        double ms = (traction_s[b] - traction[b]) * 1000.0;
        ms = ms < 0.0 ? 0.0 : ms;
        remaining_ms[b] = (int32_t)(session[b] > 0.0 ? ms : 0.0);
    }
}

static void write_conditions(long n, in live, in latched, out conditions)
{
    EACH_BED conditions[b] = (int32_t)live[b] | (int32_t)latched[b];
}

#include "kernel_twin_cold.h"

void kernel_step(long n, double *params, const double *staged, double *state, const int32_t *reading,
          const int32_t *action, int32_t *sample, int32_t *command)
{
    sense(n, R(R_FORCE), R(R_POSITION), R(R_AGE), S(FORCE), S(POSITION), S(MOVED), S(FRESH), S(WASHED_POSITION),
          S(WASHED_FORCE), P(P_WASHOUT));
    learn_stiffness(n, S(FORCE), S(RATE), S(FRESH), S(WASHED_POSITION), S(WASHED_FORCE), P(P_FORGET),
                    S(POSITION_POWER), S(CROSS_POWER), S(STIFFNESS));
    observe(n, P(P_PERIOD), P(P_ALPHA), P(P_BETA), P(P_INNOVATION_SCALE), P(P_RESIDUAL_KEEP), P(P_BASE),
            S(ARMED), S(BEARING), S(TARGET), S(FORCE), S(MOVED), S(FRESH), S(STIFFNESS), S(TENSION), S(SLOPE), S(INNOVATION), S(RESIDUAL));
    long ring = (long)state[RING_ROW * n] + 1;
    if (ring >= (long)params[P_BANK_SAMPLES * n])
        ring = 0;
    state[RING_ROW * n] = (double)ring;
    remember(n, S(INNOVATION), S(RING + ring));
    attend(n, P(P_PERIOD), P(P_VARIANCE_GAIN), S(WATCHING), S(RATE), S(BLANK), S(FREEZE), S(LOOKING), S(LEARNING),
           S(MOVING));
    hear(n, R(R_EFFORT), P(P_EFFORT_GAIN), S(LEARNING), S(EFFORT), S(EFFORT_MEAN), S(EFFORT_VARIANCE), S(HEARD));
    run_bank(n, params, state, ring);
    detect(n, P(P_ERROR_LIMIT), P(P_FALLEN_KEEP), S(LOOKING), S(LEARNING), S(HEARD), S(EXCESS), S(DEEPEST), S(FORCE),
           S(TARGET), S(ERROR_VARIANCE), S(FALLEN), S(DETECTED));
    watch_load_cell(n, R(R_FORCE), R(R_AGE), R(R_STATUS), P(P_PERIOD), S(ARMED), P(P_SAME_LIMIT), P(P_SLOPE_GAIN),
                    P(P_CEILING), S(OWN_FORCE), S(OWN_SLOPE), S(SAME), S(OVER_S), S(BLIND), S(LIVE));
    watch_tension(n, R(R_POSITION), R(R_AGE), R(R_STATUS), P(P_PERIOD), S(ARMED), S(STIFFNESS), P(P_BASE), S(BEARING),
                  S(FOLLOWING), S(MODE), P(P_COUNTER_KEEP), P(P_LOST_KEEP), S(OWN_FORCE), S(TARGET), S(OWN_POSITION),
                  S(SEEN_FORCE), S(COUNTERED), S(LOST), S(TORN), S(PAID_MM), S(DROP_S), S(LIVE));
    watch_drive(n, R(R_POSITION), R(R_AGE), R(R_STATUS), P(P_PERIOD), S(ARMED), S(POWER), P(P_TRAVEL_KEEP), S(SENT),
                S(OWN_POSITION), S(TRAVEL_ERROR), S(LATE_S), S(LED), S(AHEAD), S(BLIND), S(LIVE));
    watch_patient(n, R(R_STATUS), R(R_TILT), R(R_HEAT), S(ATTENDED), S(UNDERWAY), P(P_TILT), P(P_TILT_TOLERANCE),
                  P(P_HEAT_CEILING), S(LIVE));
    keep_time(n, P(P_PERIOD), S(MODE), P(P_QUIET_S), S(FORCE), S(TARGET), S(SLOPE), S(COUNTING), S(LEFT),
              S(PHASE_CLOCK), S(TRACTION), S(DISTURBED_AT));
    weigh_pushes(n, P(P_PERIOD), S(MODE), P(P_QUIET_S), S(LEFT), S(RESIDUAL), S(GREATEST_PUSH), S(PUSH_S),
                 S(LONGEST_PUSH_S));
    lower_floor(n, P(P_PERIOD), S(MODE), S(FORCE), S(OWN_SLOPE), S(TARGET), P(P_CEILING), S(STIFFNESS),
                S(POSITION), S(STOOD_S), S(POSITION_FLOOR));
    mark_pending(n, action, R(R_STATUS), S(STATUS), S(LIVE), S(LIVE_SEEN), S(DETECTED), S(LEFT), S(TENSION),
                 S(REACH), S(COUNTING), S(TRACTION), P(P_TRACTION_S), S(MODE), S(PHASE_CLOCK), S(EVENTS),
                 S(REFUSAL), S(TAKEN), S(PENDING));
    EACH_BED if (SB(PENDING) > 0.0) decide(n, params, staged, state, reading, action, b);
    advance_target(n, P(P_PERIOD), S(ORIGIN), S(SPAN), S(INVERSE), S(CLOCK), S(TARGET), S(RATE), S(CURVATURE));
    foresee(n, P(P_PERIOD), P(P_NEAR_ALPHA), P(P_NEAR_BETA), P(P_OWED_KEEP), S(SENT), S(FORCE), S(MOVED), S(FRESH),
            S(STIFFNESS), S(NEAR_TENSION), S(NEAR_SLOPE), S(OWED));
    drive_velocity(n, P(P_PERIOD), P(P_DRIVE_SPEED), P(P_SLOPE_ANSWERED), P(P_PROPORTIONAL), P(P_INTEGRAL), S(WATCHING), S(TARGET), S(RATE),
                   S(CURVATURE), S(FORCE), S(SLOPE), S(NEAR_TENSION), S(NEAR_SLOPE), S(OWED), S(POSITION),
                   S(POSITION_POWER), S(STIFFNESS), S(MODE), S(FIXED_VELOCITY), S(POSITION_FLOOR),
                   S(INTEGRAL), S(WANTED));
    limit_velocity(n, R(R_AGE), S(ARMED), P(P_DRIVE_SPEED), P(P_CEILING), S(OWN_FORCE), S(OWN_SLOPE), S(BLIND),
                   S(OWN_HOME), S(OWN_POSITION), S(WANTED), S(VELOCITY));
    write_outputs(n, P(P_PERIOD), R(R_HEAT), P(P_HEAT_CEILING), P(P_HEAT_ALLOWED), S(HEAT_WANTED), S(HEATED),
                  S(POWER), S(FREE), S(TESTING), S(HEAT_ON), S(HEAT_S), S(VELOCITY), S(SENT),
                  command + C_VELOCITY * n, command + C_OUTPUTS * n);
    for (long index = 0; index < READING_ROWS; index++)
        copy_counts(n, R(index), OUT(index));
    copy_counts(n, command + C_VELOCITY * n, OUT(S_VELOCITY));
    copy_counts(n, command + C_OUTPUTS * n, OUT(S_OUTPUTS));
    write_thousandths(n, S(TARGET), OUT(S_TARGET));
    write_thousandths(n, S(RESIDUAL), OUT(S_RESIDUAL));
    write_thousandths(n, S(PEAK), OUT(S_PEAK));
    write_thousandths(n, P(P_CEILING), OUT(S_CEILING));
    write_whole(n, S(PHASE), OUT(S_PHASE));
    write_whole(n, S(CYCLE), OUT(S_CYCLE));
    write_whole(n, S(GUARDINGS), OUT(S_GUARDINGS));
    write_whole(n, S(SESSION), OUT(S_SESSION));
    write_remaining(n, P(P_TRACTION_S), S(TRACTION), S(SESSION), OUT(S_REMAINING));
    write_conditions(n, S(LIVE), S(LATCHED), OUT(S_CONDITIONS));
    write_whole(n, S(EVENTS), OUT(S_EVENTS));
    write_whole(n, S(TAKEN), OUT(S_ACTION));
    write_whole(n, S(REFUSAL), OUT(S_REFUSAL));
    write_whole(n, S(REASON), OUT(S_REASON));
}

/* Ticks over recorded readings, as the benchmark runs both: reading [ticks, READINGS, n], action [ticks, n]. */
void kernel_run(long ticks, long n, double *params, const double *staged, double *state, const int32_t *readings,
         const int32_t *actions, int32_t *sample, int32_t *command)
{
    for (long tick = 0; tick < ticks; tick++)
        kernel_step(n, params, staged, state, readings + tick * READING_ROWS * n, actions + tick * n, sample, command);
}
